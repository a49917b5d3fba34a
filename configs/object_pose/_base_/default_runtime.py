# The runtime of all runs with the object-pose models in place of the detectors.
_base_ = ["../../_base_/default_runtime.py"]
custom_imports = dict(imports=["epropnp_det.object_pose"], allow_failed_imports=False)
# All layers get a gradient.
find_unused_parameters = False

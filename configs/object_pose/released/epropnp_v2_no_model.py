"""EPro-PnP-6DoF v2 as released, without coordinate maps: the objects' sizes are known, their
surfaces are not.

DATA      not part of this config yet: it has the model and the schedule, no `data`
COMMAND   tools/train.py configs/object_pose/released/epropnp_v2_no_model.py
HARDWARE  1 GPU, 32 patches
RESULT    not trained here. Published (LineMOD, mean of 13 objects): ADD(-S) 0.1d 93.83
"""

_base_ = [
    "../_base_/models/resnet34_v2.py",
    "../_base_/schedules/rmsprop_160e.py",
    "../_base_/default_runtime.py",
]
model = dict(losses=dict(coordinate=None))

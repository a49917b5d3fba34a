# The plugin, logs and checkpoints of every run.
custom_imports = dict(imports=["epropnp_det.detection"], allow_failed_imports=False)
log_config = dict(interval=50, hooks=[dict(type="TableLoggerHook"), dict(type="TensorBoardHook")])
dist_params = dict(backend="nccl")
log_level = "INFO"
load_from = None
resume_from = None
workflow = [("train", 1)]
# A batch without any box leaves the object branches without a gradient.
find_unused_parameters = True

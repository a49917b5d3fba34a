# The schedule of all models of the synthetic comparison: the same number of steps, checkpoints to
# resume from, no evaluation while training.
_base_ = ["./adamw_iterations.py"]
runner = dict(max_iters=7000)
lr_config = dict(warmup_iters=300)
checkpoint_config = dict(interval=500)
evaluation = dict(interval=None)
custom_hooks = [dict(type="MixedPrecisionHook")]

# What every model of the synthetic comparison gets: the same steps, checkpoints to resume from, no
# evaluation before the training's end.
_base_ = ["./adamw_iterations.py"]
runner = dict(max_iters=7000)
lr_config = dict(warmup_iters=300)
checkpoint_config = dict(interval=500)
evaluation = dict(interval=1000000)
custom_hooks = [dict(type="Bfloat16Hook")]

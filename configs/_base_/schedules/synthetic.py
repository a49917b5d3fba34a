# What every model of the synthetic comparison gets: the same steps, checkpoints to resume from, one evaluation after the training.
_base_ = ["./adamw_iterations.py"]
runner = dict(max_iters=10000)
lr_config = dict(warmup_iters=300)
checkpoint_config = dict(interval=500)
evaluation = dict(interval=1000000)

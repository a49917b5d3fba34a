"""30 steps from the shipped weights on a small synthetic dataset: a demonstration of a training,
which does not improve the model.

COMMAND   tools/quickstart.sh (make quickstart)
HARDWARE  2 CPU cores
RESULT    3 minutes 12 seconds for everything, 2026-11-21; the score of two keyframes means little
"""

_base_ = [
    "../../_base_/models/epropnp_small_wide.py",
    "../../_base_/datasets/half_size.py",
    "../../_base_/default_runtime.py",
    "../../_base_/schedules/synthetic.py",
]
# As in epropnp_r18_varied.py: the training starts from its weights.
model = dict(bbox_head=dict(objects=dict(ray_encoding=True)))
optimizer = dict(lr=1e-4)
lr_config = dict(warmup_iters=5)
runner = dict(max_iters=30)
checkpoint_config = dict(interval=10)
log_config = dict(interval=5)
custom_hooks = []  # float32: not every CPU computes with bfloat16 fast

"""EPro-PnP on the synthetic world: 2.3 M parameters from scratch, half resolution, for a CPU.

COMMAND   tools/train.py configs/synthetic/epropnp_r18_synthetic.py
HARDWARE  2 CPU cores
RESULT    not trained yet
"""

_base_ = [
    "../_base_/models/epropnp_small.py",
    "../_base_/datasets/half_size.py",
    "../_base_/default_runtime.py",
    "../_base_/schedules/synthetic.py",
]
optimizer = dict(lr=5e-4)

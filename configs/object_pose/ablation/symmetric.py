"""Symmetric objects: the hexagonal prism, the bottle and the spanner. The coordinate loss takes the
best of the symmetric poses. 8000 steps of 8 patches.

DATA      tools/create_synthetic_bop.py data/synthetic_bop
COMMAND   tools/train.py configs/object_pose/ablation/symmetric.py
HARDWARE  2 CPU cores: one trains, one renders
RESULT    not trained yet
"""

_base_ = ["./monte_carlo.py"]
model = dict(head=dict(objects=3))
data = dict(
    train=dict(cache="data/synthetic_bop/stored_symmetric_crops", objects=(3, 4, 5)),
    val=dict(objects=(3, 4, 5)),
    test=dict(objects=(3, 4, 5)),
)

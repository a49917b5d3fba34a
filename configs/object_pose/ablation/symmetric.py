"""Symmetric objects: the hexagonal prism, the bottle and the spanner. The coordinate loss takes the
best of the symmetric poses. 8000 steps of 8 patches.

DATA      tools/create_synthetic_bop.py data/synthetic_bop
COMMAND   OMP_NUM_THREADS=1 tools/train.py
              configs/object_pose/ablation/symmetric.py --seed 0
HARDWARE  1 CPU core
RESULT    ADD(-S) 0.1d 0.635 on held-out renderings
          (docs/experiments/object_pose.md)
"""

_base_ = ["./monte_carlo.py"]
model = dict(head=dict(objects=3))
data = dict(
    train=dict(cache="data/synthetic_bop/stored_symmetric_crops_64px", objects=(3, 4, 5)),
    val=dict(objects=(3, 4, 5)),
    test=dict(objects=(3, 4, 5)),
)

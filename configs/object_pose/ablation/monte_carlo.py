"""Comparison of the pose losses: Monte Carlo, coordinates and derivative regularisation, for two
objects without symmetries. 8000 steps of 8 patches of 64 px. The other rows of Tables 1 and 3
change this file. The geometry of 6000 patches is stored, light and background are drawn for each
patch.

DATA      tools/create_synthetic_bop.py data/synthetic_bop
COMMAND   OMP_NUM_THREADS=1 tools/train.py
              configs/object_pose/ablation/monte_carlo.py --seed 0
HARDWARE  1 CPU core
RESULT    ADD 0.1d 0.311, 0.295, 0.326 (seeds 0, 1, 2) on held-out renderings
          (docs/experiments/object_pose.md)
"""

_base_ = ["../heads/monte_carlo_symmetric.py"]
model = dict(head=dict(objects=2))
data = dict(
    train=dict(cache="data/synthetic_bop/stored_crops_64px", objects=(1, 2)),
    val=dict(objects=(1, 2)),
    test=dict(objects=(1, 2)),
)

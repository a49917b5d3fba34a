"""Comparison of the heads: the Monte Carlo loss and coordinates of the nearest symmetric pose. All
five objects, 8000 steps of 8 patches of 64 px. The other rows of Monte Carlo change this file.

DATA      tools/create_synthetic_bop.py data/synthetic_bop
COMMAND   OMP_NUM_THREADS=1 tools/train.py
              configs/object_pose/heads/monte_carlo_symmetric.py --seed 0
HARDWARE  1 CPU core
RESULT    ADD(-S) 0.1d 0.510 / 0.185 of symmetric and other objects in held-out images, means
          of three seeds (docs/experiments/object_pose.md); a third of a core hour
"""

_base_ = ["../embedded_lite0.py"]
patch = dict(size=64)
data = dict(
    samples_per_gpu=8,
    workers_per_gpu=0,
    train=dict(
        cache="data/synthetic_bop/stored_visible_crops_64px",
        stored=6000,
        patch=patch,
        cells=16,
    ),
    val=dict(patch=patch),
    test=dict(patch=patch),
)
runner = dict(max_iters=8000)

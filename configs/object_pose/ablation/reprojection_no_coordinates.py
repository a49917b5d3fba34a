"""Comparison of the pose losses: the reprojection error at the true pose, without coordinate maps
(Table 3).

DATA      tools/create_synthetic_bop.py data/synthetic_bop
COMMAND   OMP_NUM_THREADS=1 tools/train.py
              configs/object_pose/ablation/reprojection_no_coordinates.py --seed 0
HARDWARE  1 CPU core
RESULT    ADD 0.1d 0.043, 0.023, 0.028 (seeds 0, 1, 2) on held-out renderings
          (docs/experiments/object_pose.md)
"""

_base_ = ["./reprojection.py"]
model = dict(losses=dict(coordinate=None))

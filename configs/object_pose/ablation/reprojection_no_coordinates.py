"""Comparison of the pose losses: the reprojection error at the true pose, without coordinate maps
(Table 3).

DATA      tools/create_synthetic_bop.py data/synthetic_bop
COMMAND   tools/train.py configs/object_pose/ablation/reprojection_no_coordinates.py
HARDWARE  2 CPU cores: one trains, one renders
RESULT    not trained yet
"""

_base_ = ["./reprojection.py"]
model = dict(losses=dict(coordinate=None))

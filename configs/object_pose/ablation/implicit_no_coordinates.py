"""Comparison of the pose losses: implicit differentiation without coordinate maps (Table 3).

DATA      tools/create_synthetic_bop.py data/synthetic_bop
COMMAND   tools/train.py configs/object_pose/ablation/implicit_no_coordinates.py
HARDWARE  2 CPU cores: one trains, one renders
RESULT    not trained yet
"""

_base_ = ["./implicit.py"]
model = dict(losses=dict(coordinate=None))

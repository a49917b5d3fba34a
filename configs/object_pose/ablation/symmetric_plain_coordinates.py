"""Symmetric objects: symmetric.py with a coordinate loss that has the pose of the data set as its
only target.

DATA      tools/create_synthetic_bop.py data/synthetic_bop
COMMAND   tools/train.py configs/object_pose/ablation/symmetric_plain_coordinates.py
HARDWARE  2 CPU cores: one trains, one renders
RESULT    not trained yet
"""

_base_ = ["./symmetric.py"]
model = dict(losses=dict(symmetric=False))

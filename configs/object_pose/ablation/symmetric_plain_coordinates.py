"""Symmetric objects: symmetric.py with a coordinate loss that has the pose of the data set as its
only target.

DATA      tools/create_synthetic_bop.py data/synthetic_bop
COMMAND   OMP_NUM_THREADS=1 tools/train.py
              configs/object_pose/ablation/symmetric_plain_coordinates.py --seed 0
HARDWARE  1 CPU core
RESULT    not trained yet
"""

_base_ = ["./symmetric.py"]
model = dict(losses=dict(symmetric=False))

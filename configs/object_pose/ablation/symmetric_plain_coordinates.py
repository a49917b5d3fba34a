"""Symmetric objects: symmetric.py with a coordinate loss that has the pose of the data set as its
only target.

DATA      tools/create_synthetic_bop.py data/synthetic_bop
COMMAND   OMP_NUM_THREADS=1 tools/train.py
              configs/object_pose/ablation/symmetric_plain_coordinates.py --seed 0
HARDWARE  1 CPU core
RESULT    ADD(-S) 0.1d 0.168 on held-out renderings
          (docs/experiments/object_pose.md)
"""

_base_ = ["./symmetric.py"]
model = dict(losses=dict(symmetric=False))

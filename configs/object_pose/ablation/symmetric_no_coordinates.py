"""Symmetric objects: symmetric.py without coordinate maps. The Monte Carlo loss alone needs no
symmetries.

DATA      tools/create_synthetic_bop.py data/synthetic_bop
COMMAND   tools/train.py configs/object_pose/ablation/symmetric_no_coordinates.py
HARDWARE  2 CPU cores: one trains, one renders
RESULT    not trained yet
"""

_base_ = ["./symmetric.py"]
model = dict(losses=dict(coordinate=None, symmetric=False))

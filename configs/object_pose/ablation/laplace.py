"""Comparison of the pose losses: the integral of the KL loss by Laplace's method in place of Monte
Carlo.

DATA      tools/create_synthetic_bop.py data/synthetic_bop
COMMAND   OMP_NUM_THREADS=1 tools/train.py
              configs/object_pose/ablation/laplace.py --seed 0
HARDWARE  1 CPU core
RESULT    ADD 0.1d 0.000 on held-out renderings (docs/experiments/object_pose.md)
"""

_base_ = ["./monte_carlo.py"]
model = dict(
    losses=dict(pose=dict(_delete_=True, type="LaplacePoseLoss", loss_weight=0.2, momentum=0.01))
)

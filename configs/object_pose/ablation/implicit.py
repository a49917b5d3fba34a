"""Comparison of the pose losses: implicit differentiation, with coordinate maps (Table 3).

DATA      tools/create_synthetic_bop.py data/synthetic_bop
COMMAND   tools/train.py configs/object_pose/ablation/implicit.py
HARDWARE  2 CPU cores: one trains, one renders
RESULT    not trained yet
"""

_base_ = ["./monte_carlo.py"]
model = dict(
    losses=dict(pose=dict(_delete_=True, type="ImplicitPoseLoss", loss_weight=0.2, beta=0.05))
)

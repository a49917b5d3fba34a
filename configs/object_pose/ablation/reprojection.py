"""Comparison of the pose losses: the reprojection error at the true pose, with coordinate maps
(Table 3).

DATA      tools/create_synthetic_bop.py data/synthetic_bop
COMMAND   tools/train.py configs/object_pose/ablation/reprojection.py
HARDWARE  2 CPU cores: one trains, one renders
RESULT    not trained yet
"""

_base_ = ["./monte_carlo.py"]
model = dict(
    losses=dict(pose=dict(_delete_=True, type="ReprojectionLoss", loss_weight=0.2, momentum=0.01))
)

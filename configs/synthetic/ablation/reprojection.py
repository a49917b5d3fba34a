"""Ablation: the reprojection loss alone. 2400 steps on the varied worlds.

COMMAND   tools/train.py configs/synthetic/ablation/reprojection.py    (the worlds: epropnp_r18_varied.py)
HARDWARE  1 CPU core
RESULT    not trained yet
"""

_base_ = ["./kl_regularized.py"]
model = dict(
    bbox_head=dict(
        losses=dict(pose=dict(_delete_=True, type="ReprojectionLoss", loss_weight=0.5, momentum=0.01), position=0.0, orientation=0.0)
    )
)

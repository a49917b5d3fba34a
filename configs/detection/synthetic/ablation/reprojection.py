"""Ablation of the pose losses: the reprojection loss alone. 2400 steps.

COMMAND   tools/train.py configs/detection/synthetic/ablation/reprojection.py
          (data and backbone: kl_regularized.py)
HARDWARE  1 CPU core, 33 minutes
RESULT    NDS 0.1700, mAP 0.0377, mAOE 1.251 on the two held-out scenes
          (docs/experiments/results.md)
"""

_base_ = ["./kl_regularized.py"]
model = dict(
    bbox_head=dict(
        losses=dict(
            pose=dict(_delete_=True, type="ReprojectionLoss", loss_weight=0.5, momentum=0.01),
            position=0.0,
            orientation=0.0,
        )
    )
)

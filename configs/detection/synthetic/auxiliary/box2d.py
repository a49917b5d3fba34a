"""Ablation of the auxiliary losses on the synthetic dataset: 2D boxes alone.

COMMAND   tools/create_data.py nuscenes data/synthetic --version v1.0-mini --lidar
          tools/train.py configs/detection/synthetic/auxiliary/box2d.py
HARDWARE  1 CPU core, half an hour
RESULT    NDS 0.1909, mAP 0.0768, mAOE 1.049 on the two held-out scenes
          (docs/experiments/results.md)
"""

_base_ = ["./none.py"]

model = dict(
    bbox_head=dict(
        dense_head=dict(bbox_branch=(64,)),
        losses=dict(bbox=dict(_delete_=True, type="GIoULoss", loss_weight=0.5)),
    )
)

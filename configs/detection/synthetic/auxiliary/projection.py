"""Ablation of the auxiliary losses on the synthetic dataset: reprojection of cells alone.

COMMAND   tools/create_data.py nuscenes data/synthetic --version v1.0-mini --lidar
          tools/train.py configs/detection/synthetic/auxiliary/projection.py
HARDWARE  1 CPU core, half an hour
RESULT    NDS 0.1840, mAP 0.0570, mAOE 1.126 on the two held-out scenes
          (docs/experiments/results.md)
"""

_base_ = ["./none.py"]

model = dict(
    bbox_head=dict(
        auxiliary={{_base_.auxiliary}}, losses=dict(projection={{_base_.projection_loss}})
    )
)

"""Ablation of the auxiliary losses on the synthetic dataset: coordinates of LiDAR points alone.

COMMAND   tools/create_data.py nuscenes data/synthetic --version v1.0-mini --lidar
          tools/train.py configs/detection/synthetic/auxiliary/coordinate.py
HARDWARE  1 CPU core, half an hour
RESULT    NDS 0.1775, mAP 0.0464, mAOE 1.055 on the two held-out scenes
          (docs/experiments/results.md)
"""

_base_ = ["./none.py"]

model = dict(
    bbox_head=dict(
        auxiliary={{_base_.auxiliary}}, losses=dict(coordinate={{_base_.coordinate_loss}})
    )
)

"""Ablation of the auxiliary losses on the synthetic dataset: all of them, as in v2.

COMMAND   tools/create_data.py nuscenes data/synthetic --version v1.0-mini --lidar
          tools/train.py configs/detection/synthetic/auxiliary/all.py
HARDWARE  1 CPU core, half an hour
RESULT    NDS 0.1884, mAP 0.0686, mAOE 1.125 on the two held-out scenes
          (docs/experiments/results.md)
"""

_base_ = ["./box2d.py"]

model = dict(
    bbox_head=dict(
        auxiliary={{_base_.auxiliary}},
        losses=dict(
            projection={{_base_.projection_loss}},
            coordinate={{_base_.coordinate_loss}},
            depth={{_base_.depth_loss}},
        ),
    )
)

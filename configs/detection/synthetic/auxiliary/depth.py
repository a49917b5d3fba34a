"""Ablation of the auxiliary losses on the synthetic dataset: depth of LiDAR points alone.

COMMAND   tools/create_data.py nuscenes data/synthetic --version v1.0-mini --lidar
          tools/train.py configs/detection/synthetic/auxiliary/depth.py
HARDWARE  1 CPU core, half an hour
RESULT    NDS 0.1859, mAP 0.0547, mAOE 0.954 on the two held-out scenes
          (docs/experiments/results.md)
"""

_base_ = ["./none.py"]

model = dict(
    bbox_head=dict(auxiliary={{_base_.auxiliary}}, losses=dict(depth={{_base_.depth_loss}}))
)

"""Ablation of the auxiliary losses on the synthetic dataset: none of them, the row to compare with.

COMMAND   tools/create_data.py nuscenes data/synthetic --version v1.0-mini --lidar
          tools/train.py configs/detection/synthetic/auxiliary/none.py
HARDWARE  1 CPU core, half an hour
RESULT    NDS 0.1790, mAP 0.0590, mAOE 1.183 on the two held-out scenes
          (docs/experiments/results.md)
"""

_base_ = [
    "../../../_base_/models/epropnp_small_wide.py",
    "../../../_base_/models/auxiliary_v2.py",
    "../../../_base_/datasets/half_size_lidar.py",
    "../../../_base_/default_runtime.py",
    "../../../_base_/schedules/ablation.py",
]

# All rows load the same data in the same order, including LiDAR points that a row does not use.
model = dict(bbox_head=dict(dense_head=dict(bbox_branch=None), losses=dict(bbox=None)))

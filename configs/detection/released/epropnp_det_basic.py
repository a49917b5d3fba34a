"""EPro-PnP-Det v1 as released, without LiDAR points: "basic EPro-PnP" of the paper.

COMMAND   tools/dist_train.sh configs/detection/released/epropnp_det_basic.py 4
HARDWARE  4 GPUs, 3 images each
RESULT    not trained here. Published (paper, Table 4, validation set): NDS 0.425, mAP 0.349
"""

_base_ = [
    "../../_base_/datasets/nuscenes_v1.py",
    "../../_base_/models/epropnp_v1.py",
    "../../_base_/schedules/adamw_12e_v1.py",
    "../../_base_/default_runtime.py",
]

model = dict(bbox_head=dict(losses=dict(coordinate=None)))

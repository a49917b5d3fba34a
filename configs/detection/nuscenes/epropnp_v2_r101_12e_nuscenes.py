"""EPro-PnP-Det v2 on nuScenes (train / val), without auxiliary losses.

COMMAND   tools/dist_train.sh configs/detection/nuscenes/epropnp_v2_r101_12e_nuscenes.py 4
HARDWARE  4 GPUs, 3 images each
RESULT    not trained yet
"""

_base_ = [
    "../../_base_/datasets/nuscenes.py",
    "../../_base_/models/epropnp_v2.py",
    "../../_base_/schedules/adamw_12e.py",
    "../../_base_/default_runtime.py",
]

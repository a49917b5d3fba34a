"""EPro-PnP-Det v2 as released.

COMMAND   tools/dist_train.sh configs/detection/released/epropnp_det_v2.py 4
HARDWARE  4 GPUs, 3 images each
RESULT    not trained here. The paper has no figure of this model
"""

_base_ = [
    "../../_base_/datasets/nuscenes_lidar.py",
    "../../_base_/models/epropnp_v2_released.py",
    "../../_base_/schedules/adamw_12e.py",
    "../../_base_/default_runtime.py",
]

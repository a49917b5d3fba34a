"""EPro-PnP-Det v1b as released on 2022-03-12.

COMMAND   tools/dist_train.sh configs/detection/released/epropnp_det_v1b_220312.py 4
HARDWARE  4 GPUs, 3 images each
RESULT    not trained here. The paper has no figure of this model
"""

_base_ = [
    "../../_base_/datasets/nuscenes_v1_lidar.py",
    "../../_base_/models/epropnp_v1b_220312.py",
    "../../_base_/schedules/adamw_12e_v1.py",
    "../../_base_/default_runtime.py",
]

"""EPro-PnP-Det v1b as released on 2022-04-11.

COMMAND   tools/dist_train.sh configs/detection/released/epropnp_det_v1b_220411.py 4
HARDWARE  4 GPUs, 3 images each
RESULT    not trained here. The paper has no figure of this model
"""

_base_ = [
    "../../_base_/datasets/nuscenes_v1_lidar.py",
    "../../_base_/models/epropnp_v1b.py",
    "../../_base_/schedules/adamw_12e_v1.py",
    "../../_base_/default_runtime.py",
]

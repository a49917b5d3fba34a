"""EPro-PnP-Det v1 as released, with coordinates of LiDAR points: "+ coord. regr." of the paper.

COMMAND   tools/dist_train.sh configs/detection/released/epropnp_det_coord_regr.py 4
HARDWARE  4 GPUs, 3 images each
RESULT    not trained here. Published (paper, Table 4, validation set): NDS 0.430, mAP 0.352;
          with model.test_cfg.flip_tta=True: NDS 0.439, mAP 0.361
"""

_base_ = [
    "../../_base_/datasets/nuscenes_v1_lidar.py",
    "../../_base_/models/epropnp_v1.py",
    "../../_base_/schedules/adamw_12e_v1.py",
    "../../_base_/default_runtime.py",
]

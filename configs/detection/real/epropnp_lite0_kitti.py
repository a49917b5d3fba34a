"""EPro-PnP on EfficientNet-lite0, on KITTI, from its weights of the synthetic datasets.

COMMAND   tools/create_data.py kitti data/kitti
          tools/train.py configs/detection/real/epropnp_lite0_kitti.py
              --load-from work_dirs/epropnp_lite0/latest.pth
          tools/test.py configs/detection/real/epropnp_lite0_kitti.py
              work_dirs/epropnp_lite0_kitti/latest.pth --eval distance iou
HARDWARE  not trained yet
RESULT    not trained yet
"""

from epropnp_det.detection.data.pipelines import (
    NORMALIZE_LITE,
    kitti_split,
    make_test_pipeline,
    make_train_pipeline,
)

_base_ = ["../synthetic/epropnp_lite0.py"]
data_root = "data/kitti/"
train_pipeline = make_train_pipeline(
    {{_base_.class_names}},
    scale=0.5,
    window=(640, 512),
    canonical_yaw=True,
    canonical={{_base_.canonical}},
    normalize=NORMALIZE_LITE,
)
test_pipeline = make_test_pipeline(
    {{_base_.class_names}},
    scale=0.5,
    canonical={{_base_.canonical}},
    normalize=NORMALIZE_LITE,
)
common = dict(type="NuScenesCameraDataset", _delete_=True)
test = dict(common, pipeline=test_pipeline, test_mode=True, **kitti_split(data_root, "val"))
data = dict(
    train=dict(common, pipeline=train_pipeline, **kitti_split(data_root, "train")),
    val=test,
    test=test,
)
# All weights come from --load-from. There are no LiDAR points for the losses of coordinates and
# depth.
model = dict(
    backbone=dict(pretrained=False, init_cfg=None),
    bbox_head=dict(losses=dict(coordinate=None, depth=None)),
)
optimizer = dict(lr=2e-4)
lr_config = dict(warmup_iters=50)
runner = dict(max_iters=1000)
checkpoint_config = dict(interval=500)
evaluation = dict(interval=500, metric=["distance", "iou"])

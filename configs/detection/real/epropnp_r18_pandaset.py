"""EPro-PnP on one sequence of PandaSet, from its weights of the synthetic datasets.

COMMAND   tools/train.py configs/detection/real/epropnp_r18_pandaset.py
              --load-from configs/detection/synthetic/epropnp_r18_varied.pth
          tools/test.py configs/detection/real/epropnp_r18_pandaset.py
              work_dirs/epropnp_r18_pandaset/latest.pth --eval distance iou
HARDWARE  not trained yet
RESULT    not trained yet
"""

from epropnp_det.detection.data.pipelines import (
    make_test_pipeline,
    make_train_pipeline,
    pandaset_split,
)

_base_ = ["../synthetic/epropnp_r18_varied.py"]
data_root = "data/pandaset_002/"
train_pipeline = make_train_pipeline(
    {{_base_.class_names}},
    scale=0.5,
    window=(640, 512),
    canonical_yaw=True,
    canonical={{_base_.canonical}},
    level_by="ego",
)
test_pipeline = make_test_pipeline(
    {{_base_.class_names}},
    scale=0.5,
    canonical={{_base_.canonical}},
    level_by="ego",
)
common = dict(type="NuScenesCameraDataset", _delete_=True)
test = dict(common, pipeline=test_pipeline, test_mode=True, **pandaset_split(data_root, "val"))
data = dict(
    train=dict(common, pipeline=train_pipeline, **pandaset_split(data_root, "train")),
    val=test,
    test=test,
)
# All weights come from --load-from. There are no LiDAR points for the losses of coordinates and
# depth.
model = dict(backbone=dict(init_cfg=None), bbox_head=dict(losses=dict(coordinate=None, depth=None)))
optimizer = dict(lr=2e-4)
lr_config = dict(warmup_iters=50)
runner = dict(max_iters=1500)
checkpoint_config = dict(interval=500)
evaluation = dict(interval=500, metric=["distance", "iou"])

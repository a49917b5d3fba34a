"""FCOS3D on one sequence of PandaSet, from its weights of the synthetic datasets.

COMMAND   tools/train.py configs/detection/real/fcos3d_r18_pandaset.py
              --load-from work_dirs/fcos3d_r18_varied_whole/latest.pth
          tools/test.py configs/detection/real/fcos3d_r18_pandaset.py
              work_dirs/fcos3d_r18_pandaset/latest.pth --eval distance iou
HARDWARE  not trained yet
RESULT    not trained yet
"""

from epropnp_det.detection.data.pipelines import (
    make_test_pipeline,
    make_train_pipeline,
    pandaset_split,
)

_base_ = ["../synthetic/fcos3d_r18_varied.py"]
data_root = "data/pandaset_002/"
train_pipeline = make_train_pipeline(
    {{_base_.class_names}},
    scale=0.5,
    window=(640, 512),
    canonical_yaw=True,
    canonical={{_base_.canonical}},
    level_by="ego",
    fcos3d=True,
)
test_pipeline = make_test_pipeline(
    {{_base_.class_names}},
    scale=0.5,
    canonical={{_base_.canonical}},
    level_by="ego",
    fcos3d=True,
)
common = dict(type="NuScenesCameraDataset", _delete_=True)
test = dict(common, pipeline=test_pipeline, test_mode=True, **pandaset_split(data_root, "val"))
data = dict(
    train=dict(common, pipeline=train_pipeline, **pandaset_split(data_root, "train")),
    val=test,
    test=test,
)
# All weights come from --load-from.
model = dict(backbone=dict(init_cfg=None))
optimizer = dict(lr=2e-4)
lr_config = dict(warmup_iters=50)
runner = dict(max_iters=1500)
checkpoint_config = dict(interval=500)
evaluation = dict(interval=500, metric=["distance", "iou"])

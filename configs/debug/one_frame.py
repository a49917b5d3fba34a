"""Memorises the six images of one nuScenes keyframe on a CPU: a check of the whole path, from annotation file to official score.

COMMAND   tools/create_data.py nuscenes data/one_frame --version v1.0-mini && tools/train.py configs/debug/one_frame.py
HARDWARE  2 CPU cores, one thread, other programs beside it: 33 min
RESULT    mini_train, devkit: mAP 0.4996 (five of ten classes have boxes in range: 0.9991 over those), their mean ATE 0.055 m; seed 0
"""

_base_ = ["../epropnp/epropnp_v2_r101_12e_nuscenes.py"]

data_root = "data/one_frame/"
norm = dict(type="GN", num_groups=16, requires_grad=True)
# From scratch and small: half resolution, ResNet-18 with group norm, 64 channels, no deformable convolutions, no dropout.
model = dict(
    backbone=dict(
        _delete_=True,
        type="ResNet",
        depth=18,
        num_stages=4,
        out_indices=(1, 2, 3),
        norm_cfg=norm,
        norm_eval=False,
        style="pytorch",
        base_channels=32,
        frozen_stages=-1,
    ),
    neck=dict(in_channels=[64, 128, 256], out_channels=64),
    bbox_head=dict(
        dense_head=dict(
            in_channels=64,
            feat_channels=64,
            embedding_channels=64,
            cls_branch=(64,),
            centerness_branch=(64,),
            offset_branch=(64,),
            embedding_branch=(64,),
            bbox_branch=(64,),
            dcn_on_last_conv=False,
            norm_cfg=norm,
        ),
        objects=dict(
            embed_dims=64,
            heads=4,
            points=8,
            level_channels=(64, 32, 32),
            dense_channels=64,
            ffn_channels=256,
            point_ffn_channels=64,
            dropout=0.0,
            norm_cfg=norm,
        ),
    ),
    train_cfg=dict(queries_per_image=32),
)

normalize = dict(
    type="Normalize", mean={{_base_.img_norm_cfg.mean}}, std={{_base_.img_norm_cfg.std}}, to_rgb={{_base_.img_norm_cfg.to_rgb}}
)
class_names = {{_base_.class_names}}
meta_keys = {{_base_.meta_keys}}
train_pipeline = [
    dict(type="LoadCameraImage"),
    dict(type="LoadCameraAnnotations"),
    dict(type="CropImage", box={{_base_.crop}}),
    dict(type="FilterObjects", min_visibility=2, max_truncation=0.8, min_box_size=4.0),
    dict(type="ResizeImage", scale=0.5),
    normalize,
    dict(type="Pad", size_divisor=32),
    dict(type="DefaultFormatBundle3D", class_names=class_names),
    dict(type="Collect3D", keys=["img", "gt_bboxes_3d", "gt_labels_3d", "gt_bboxes", "attr_labels"], meta_keys=meta_keys),
]
test_pipeline = [
    dict(type="LoadCameraImage"),
    dict(type="CropImage", box={{_base_.crop}}),
    dict(type="ResizeImage", scale=0.5),
    normalize,
    dict(type="Pad", size_divisor=32),
    dict(type="DefaultFormatBundle3D", class_names=class_names, with_label=False),
    dict(type="Collect3D", keys=["img"], meta_keys=meta_keys),
]
mini = dict(data_root=data_root, ann_file=data_root + "nuscenes_mini_infos_train_mono3d.coco.json", version="v1.0-mini")
data = dict(
    samples_per_gpu=2,
    workers_per_gpu=1,
    train=dict(pipeline=train_pipeline, **mini),
    val=dict(pipeline=test_pipeline, **mini),
    test=dict(pipeline=test_pipeline, **mini),
)

optimizer = dict(lr=1e-3)
lr_config = dict(
    _delete_=True, policy="CosineAnnealing", by_epoch=False, warmup="linear", warmup_iters=150, warmup_ratio=0.1, min_lr_ratio=0.001
)
runner = dict(_delete_=True, type="IterBasedRunner", max_iters=1500)
checkpoint_config = dict(interval=250, by_epoch=False)
evaluation = dict(interval=500)

"""FCOS3D of mmdet3d on the worlds, windows and boxes of epropnp_r18_varied.py, from the same
backbone.

COMMAND   tools/dist_train.sh configs/detection/synthetic/fcos3d_r18_varied.py 2
HARDWARE  2 CPU cores, 84 minutes
RESULT    NDS 0.2281, mAP 0.0924, mAOE 0.655 on the two held-out scenes
          (docs/experiments/results.md)
"""

_base_ = ["./fcos3d_r18_synthetic.py"]
window = dict(type="CropAroundObject", size=(640, 512))
train_pipeline = [
    {{_base_.load}},
    {{_base_.annotate}},
    dict(type="CanonicalizeSymmetricYaw"),
    {{_base_.crop}},
    {{_base_.keep_visible}},
    window,
    {{_base_.keep_visible}},
    {{_base_.half}},
    {{_base_.flip}},
    {{_base_.inputs}},
    {{_base_.normalize}},
    {{_base_.pad}},
    {{_base_.bundle}},
    {{_base_.collect_truth}},
]
datasets = [
    dict(
        type="NuScenesCameraDataset",
        data_root=root,
        version="v1.0-mini",
        ann_file=root + "nuscenes_mini_infos_train_mono3d.coco.json",
        pipeline=train_pipeline,
    )
    for root in ("data/synthetic/", *(f"data/varied/{seed}/" for seed in range(1, 21)))
]
data = dict(samples_per_gpu=4, train=dict(_delete_=True, type="ConcatDataset", datasets=datasets))
pretrained = dict(
    type="Pretrained", checkpoint="work_dirs/backbone_r18/latest.pth", prefix="backbone."
)
model = dict(backbone=dict(init_cfg=pretrained))
runner = dict(max_iters=10000)

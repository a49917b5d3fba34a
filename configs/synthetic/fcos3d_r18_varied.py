"""FCOS3D of mmdet3d on the worlds, images and boxes of epropnp_r18_varied.py.

COMMAND   tools/train.py configs/synthetic/fcos3d_r18_varied.py
HARDWARE  2 CPU cores
RESULT    not trained yet
"""

_base_ = ["./fcos3d_r18_synthetic.py"]
datasets = [
    dict(
        type="NuScenesCameraDataset",
        data_root=root,
        version="v1.0-mini",
        ann_file=root + "nuscenes_mini_infos_train_mono3d.coco.json",
        pipeline={{_base_.train_pipeline}},
    )
    for root in ("data/synthetic/", *(f"data/varied/{seed}/" for seed in range(1, 21)))
]
data = dict(train=dict(_delete_=True, type="ConcatDataset", datasets=datasets))
runner = dict(max_iters=20000)

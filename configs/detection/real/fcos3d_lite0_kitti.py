"""FCOS3D on EfficientNet-lite0, on KITTI, from its weights of the synthetic datasets.

COMMAND   tools/create_data.py kitti data/kitti
          tools/train.py configs/detection/real/fcos3d_lite0_kitti.py
              --load-from work_dirs/fcos3d_lite0_whole/latest.pth
          tools/test.py configs/detection/real/fcos3d_lite0_kitti.py
              work_dirs/fcos3d_lite0_kitti/latest.pth --eval distance iou
HARDWARE  1 CPU core
RESULT    car AP 0.054, pedestrian 0.002 by distance on the last 10 images; 0.3 core hours
          (docs/experiments/results.md)
"""

from epropnp_det.detection.data.pipelines import NORMALIZE_LITE, kitti_split, make_fine_tuning_data

_base_ = ["../synthetic/fcos3d_lite0.py"]
data_root = "data/kitti/"
parts = {part: kitti_split(data_root, part) for part in ("train", "val")}
data = make_fine_tuning_data(
    {{_base_.class_names}},
    parts,
    canonical={{_base_.canonical}},
    normalize=NORMALIZE_LITE,
    fcos3d=True,
)
# All weights come from --load-from.
model = dict(backbone=dict(pretrained=False, init_cfg=None))
optimizer = dict(lr=2e-4)
lr_config = dict(warmup_iters=50)
runner = dict(max_iters=1000)
checkpoint_config = dict(interval=500)
evaluation = dict(interval=500, metric=["distance", "iou"])

"""FCOS3D on EfficientNet-lite0, on one sequence of PandaSet, from its synthetic weights.

COMMAND   tools/train.py configs/detection/real/fcos3d_lite0_pandaset.py
              --load-from work_dirs/fcos3d_lite0_whole/latest.pth
          tools/test.py configs/detection/real/fcos3d_lite0_pandaset.py
              work_dirs/fcos3d_lite0_pandaset/latest.pth --eval distance iou
HARDWARE  1 CPU core
RESULT    car AP 0.088, truck 0.069 by distance on the last 12 moments; 0.4 core hours
          (docs/experiments/results.md)
"""

from epropnp_det.detection.data.pipelines import (
    NORMALIZE_LITE,
    make_fine_tuning_data,
    pandaset_split,
)

_base_ = ["./fcos3d_lite0_kitti.py"]
data_root = "data/pandaset_002/"
parts = {part: pandaset_split(data_root, part) for part in ("train", "val")}
data = make_fine_tuning_data(
    {{_base_.class_names}},
    parts,
    canonical={{_base_.canonical}},
    level_by="ego",
    normalize=NORMALIZE_LITE,
    fcos3d=True,
)
runner = dict(max_iters=1500)

"""EPro-PnP on EfficientNet-lite0, on PandaSet, from its weights of the synthetic datasets.

COMMAND   tools/train.py configs/detection/real/epropnp_lite0_pandaset.py
              --load-from configs/detection/synthetic/epropnp_lite0.pth
          tools/test.py configs/detection/real/epropnp_lite0_pandaset.py
              work_dirs/epropnp_lite0_pandaset/latest.pth --eval distance iou
HARDWARE  1 CPU core
RESULT    car AP 0.432, truck 0.392 by distance on the last 12 moments; 0.4 core hours
          (docs/experiments/results.md)
"""

from epropnp_det.detection.data.pipelines import (
    NORMALIZE_LITE,
    make_fine_tuning_data,
    pandaset_split,
)

_base_ = ["./epropnp_lite0_kitti.py"]
data_root = "data/pandaset_002/"
parts = {part: pandaset_split(data_root, part) for part in ("train", "val")}
data = make_fine_tuning_data(
    {{_base_.class_names}},
    parts,
    canonical={{_base_.canonical}},
    level_by="ego",
    normalize=NORMALIZE_LITE,
)
runner = dict(max_iters=1500)

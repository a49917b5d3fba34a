"""EPro-PnP on KITTI, from its weights of the synthetic datasets.

COMMAND   tools/create_data.py kitti data/kitti
          tools/train.py configs/detection/real/epropnp_r18_kitti.py
              --load-from configs/detection/synthetic/epropnp_r18_varied.pth
          tools/test.py configs/detection/real/epropnp_r18_kitti.py
              work_dirs/epropnp_r18_kitti/latest.pth --eval distance iou
HARDWARE  not trained yet
RESULT    not trained yet
"""

from epropnp_det.detection.data.pipelines import kitti_split, make_fine_tuning_data

_base_ = ["../synthetic/epropnp_r18_varied.py"]
data_root = "data/kitti/"
parts = {part: kitti_split(data_root, part) for part in ("train", "val")}
data = make_fine_tuning_data(
    {{_base_.class_names}},
    parts,
    canonical={{_base_.canonical}},
)
# All weights come from --load-from. There are no LiDAR points for the losses of coordinates and
# depth.
model = dict(backbone=dict(init_cfg=None), bbox_head=dict(losses=dict(coordinate=None, depth=None)))
optimizer = dict(lr=2e-4)
lr_config = dict(warmup_iters=50)
runner = dict(max_iters=1000)
checkpoint_config = dict(interval=500)
evaluation = dict(interval=500, metric=["distance", "iou"])

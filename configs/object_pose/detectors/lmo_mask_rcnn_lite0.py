"""LM-O from renderings of its models alone: mask_rcnn_lite0.py for eight objects, with clutter
behind them. No real image is used in training, nor to choose a setting.

DATA      tools/create_synthetic_bop.py data/lmo_rendered --models data/lmo/models
          --train-scenes 20 --test-scenes 2 --distance 4 12, then
          tools/create_data.py bop data/lmo_rendered --coco and
          tools/create_data.py bop data/lmo --coco test
COMMAND   OMP_NUM_THREADS=1 tools/train.py configs/object_pose/detectors/lmo_mask_rcnn_lite0.py
              --seed 0 --no-validate --load-from configs/object_pose/detectors/mask_rcnn_lite0.pth
HARDWARE  1 CPU core
RESULT    AP50 of boxes 0.366 on the real test images; on renderings 0.983 of boxes, 0.974 of masks
          (docs/experiments/object_pose.md); 0.6 core hours. The best detections are in
          lmo_mask_rcnn_lite0.detections.json
"""

from epropnp_det.object_pose.data.coco_pipelines import coco_train_pipeline

_base_ = ["./mask_rcnn_lite0.py"]
data_root = "data/lmo_rendered/"
model = dict(
    roi_head=dict(bbox_head=dict(num_classes=8), mask_head=dict(num_classes=8)),
)
data = dict(
    train=dict(
        ann_file=data_root + "coco_train_pbr.json",
        img_prefix=data_root,
        pipeline=coco_train_pipeline((320, 240), clutter=0.7),
    ),
    val=dict(ann_file=data_root + "coco_test.json", img_prefix=data_root),
    test=dict(ann_file="data/lmo/coco_test.json", img_prefix="data/lmo/"),
)
runner = dict(max_iters=2000)

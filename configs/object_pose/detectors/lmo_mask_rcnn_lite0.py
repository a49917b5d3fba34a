"""LM-O from renderings of its models alone: mask_rcnn_lite0.py for eight objects. No real image is
used in training, nor to choose a setting.

DATA      tools/create_synthetic_bop.py data/lmo_rendered --models data/lmo/models
          --train-scenes 40 --distance 4 12, then tools/create_data.py bop data/lmo_rendered --coco
          and tools/create_data.py bop data/lmo --coco test
COMMAND   tools/train.py configs/object_pose/detectors/lmo_mask_rcnn_lite0.py
HARDWARE  2 CPU cores
RESULT    not trained yet
"""

_base_ = ["./mask_rcnn_lite0.py"]
data_root = "data/lmo_rendered/"
model = dict(
    roi_head=dict(bbox_head=dict(num_classes=8), mask_head=dict(num_classes=8)),
)
data = dict(
    train=dict(ann_file=data_root + "coco_train_pbr.json", img_prefix=data_root),
    val=dict(ann_file=data_root + "coco_test.json", img_prefix=data_root),
    test=dict(ann_file="data/lmo/coco_test.json", img_prefix="data/lmo/"),
)

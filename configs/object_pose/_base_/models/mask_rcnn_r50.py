# Mask R-CNN of mmdet with ResNet-50 and FPN, as mmdet trains it on COCO, but for the classes, for
# smaller anchors (objects from 16 px) and for regions to ignore, which are no background.
# `num_classes` is set to the number of objects of the data.
import os

import mmdet

_base_ = [os.path.join(mmdet.__path__[0], ".mim/configs/_base_/models/mask_rcnn_r50_fpn.py")]
model = dict(
    rpn_head=dict(anchor_generator=dict(scales=[4])),
    roi_head=dict(bbox_head=dict(num_classes=5), mask_head=dict(num_classes=5)),
    train_cfg=dict(
        rpn=dict(assigner=dict(ignore_iof_thr=0.5)), rcnn=dict(assigner=dict(ignore_iof_thr=0.5))
    ),
)

"""Mask R-CNN with ResNet-50 and FPN for the five objects, at full size.

DATA      tools/create_synthetic_bop.py data/synthetic_bop --train-scenes 20, then
          tools/create_data.py bop data/synthetic_bop --coco
COMMAND   tools/train.py configs/object_pose/detectors/mask_rcnn_r50.py
HARDWARE  1 GPU, 2 images
RESULT    not trained yet
"""

_base_ = [
    "../_base_/models/mask_rcnn_r50.py",
    "../_base_/datasets/synthetic_coco.py",
    "../_base_/datasets/coco_640.py",
    "../_base_/schedules/adamw_steps.py",
    "../_base_/default_runtime.py",
]
data = dict(
    train=dict(pipeline={{_base_.train_pipeline}}),
    val=dict(pipeline={{_base_.test_pipeline}}),
    test=dict(pipeline={{_base_.test_pipeline}}),
)
optimizer = dict(lr=1e-4)
runner = dict(max_iters=20000)
# An image without objects leaves the masks without a gradient.
find_unused_parameters = True

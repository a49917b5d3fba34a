"""The detector of the embedded default: Mask R-CNN with EfficientNet-lite0, for the five objects,
on images of half the size.

DATA      tools/create_synthetic_bop.py data/synthetic_bop --train-scenes 20, then
          tools/create_data.py bop data/synthetic_bop --coco
COMMAND   OMP_NUM_THREADS=1 tools/train.py configs/object_pose/detectors/mask_rcnn_lite0.py --seed 0
              --no-validate
HARDWARE  1 CPU core
RESULT    AP50 0.973 of boxes, 0.948 of masks on held-out images
          (docs/experiments/object_pose.md); 1.5 core hours
"""

_base_ = [
    "../_base_/models/mask_rcnn_lite0.py",
    "../_base_/datasets/synthetic_coco.py",
    "../_base_/datasets/coco_320.py",
    "../_base_/schedules/adamw_steps.py",
    "../_base_/default_runtime.py",
]
data = dict(
    samples_per_gpu=4,
    train=dict(pipeline={{_base_.train_pipeline}}),
    val=dict(pipeline={{_base_.test_pipeline}}),
    test=dict(pipeline={{_base_.test_pipeline}}),
)
optimizer = dict(lr=3e-4)
runner = dict(max_iters=5000)
# An image without objects leaves the masks without a gradient.
find_unused_parameters = True
custom_hooks = [dict(type="MixedPrecisionHook", channels_last=True)]

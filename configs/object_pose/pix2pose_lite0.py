"""Pix2Pose for the five objects of the embedded default: coordinates, their expected error and a
mask, poses in two passes. Targets are whole silhouettes. The geometry of the patches is stored,
light and background are drawn for each patch.

DATA      tools/create_synthetic_bop.py data/synthetic_bop
COMMAND   OMP_NUM_THREADS=1 tools/train.py configs/object_pose/pix2pose_lite0.py --seed 0
HARDWARE  1 CPU core
RESULT    ADD(-S) 0.1d 0.598 on held-out images, boxes changed by up to 0.1; 0.585 in detected boxes
          (docs/experiments/object_pose.md); 1.8 core hours
"""

_base_ = [
    "./_base_/models/pix2pose_lite0.py",
    "./_base_/datasets/synthetic_bop.py",
    "./_base_/schedules/adamw_steps.py",
    "./_base_/default_runtime.py",
]
data = dict(
    workers_per_gpu=0,
    train=dict(
        type="StoredCrops",
        cache="data/synthetic_bop/stored_amodal_crops",
        stored=32000,
        patch={{_base_.patch}},
        amodal=True,
    ),
    val=dict(patch={{_base_.patch}}, whole_image=True),
    test=dict(patch={{_base_.patch}}, whole_image=True),
)
runner = dict(max_iters=12000)
custom_hooks = [dict(type="MixedPrecisionHook", channels_last=True)]

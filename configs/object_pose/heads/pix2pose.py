"""Comparison of the heads on the same patches, backbone and budget: Pix2Pose and its own losses.
All five objects, 8000 steps of 8 patches. The other rows of Pix2Pose change this file.

DATA      tools/create_synthetic_bop.py data/synthetic_bop
COMMAND   tools/train.py configs/object_pose/heads/pix2pose.py
HARDWARE  2 CPU cores: one trains, one renders
RESULT    not trained yet
"""

_base_ = [
    "../_base_/models/pix2pose_lite0.py",
    "../_base_/datasets/stored_crops.py",
    "../_base_/schedules/adamw_steps.py",
    "../_base_/default_runtime.py",
]
data = dict(
    train=dict(
        patch={{_base_.patch}},
        amodal=True,
        vertices=64,
        cache="data/synthetic_bop/stored_amodal_crops",
    ),
    val=dict(patch={{_base_.patch}}, whole_image=True),
    test=dict(patch={{_base_.patch}}, whole_image=True),
)
runner = dict(max_iters=8000)

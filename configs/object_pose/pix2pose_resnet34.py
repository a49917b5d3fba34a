"""Pix2Pose with a ResNet-34 and maps of 64 x 64 cells: pix2pose_lite0.py for GPUs.

DATA      tools/create_synthetic_bop.py data/synthetic_bop
COMMAND   tools/train.py configs/object_pose/pix2pose_resnet34.py
HARDWARE  1 GPU
RESULT    not trained yet
"""

_base_ = [
    "./_base_/models/pix2pose_resnet34.py",
    "./_base_/datasets/synthetic_bop.py",
    "./_base_/schedules/adamw_steps.py",
    "./_base_/default_runtime.py",
]
data = dict(
    train=dict(patch={{_base_.patch}}, amodal=True, cells=64),
    val=dict(patch={{_base_.patch}}, whole_image=True),
    test=dict(patch={{_base_.patch}}, whole_image=True),
)

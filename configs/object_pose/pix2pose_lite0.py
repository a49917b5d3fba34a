"""Pix2Pose for the five objects of the embedded default: coordinates, their expected error and a
mask, poses in two passes. Patches are rendered as they are needed, targets are whole silhouettes.

DATA      tools/create_synthetic_bop.py data/synthetic_bop
COMMAND   tools/train.py configs/object_pose/pix2pose_lite0.py
HARDWARE  2 CPU cores: one trains, one renders
RESULT    not trained yet
"""

_base_ = [
    "./_base_/models/pix2pose_lite0.py",
    "./_base_/datasets/synthetic_bop.py",
    "./_base_/schedules/adamw_steps.py",
    "./_base_/default_runtime.py",
]
data = dict(
    train=dict(patch={{_base_.patch}}, amodal=True),
    val=dict(patch={{_base_.patch}}, whole_image=True),
    test=dict(patch={{_base_.patch}}, whole_image=True),
)

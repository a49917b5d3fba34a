"""Pix2Pose as published, 25.7 M parameters for one object: pix2pose_lite0.py with the network and
the loss weights of the original, 50 patches a step. Set `data.*.objects` to one object.

DATA      tools/create_synthetic_bop.py data/synthetic_bop
COMMAND   tools/train.py configs/object_pose/pix2pose_paper.py
HARDWARE  1 GPU
RESULT    not trained yet
"""

_base_ = [
    "./_base_/models/pix2pose_paper.py",
    "./_base_/datasets/synthetic_bop.py",
    "./_base_/schedules/adamw_steps.py",
    "./_base_/default_runtime.py",
]
data = dict(
    samples_per_gpu=50,
    train=dict(patch={{_base_.patch}}, amodal=True, cells=128, objects=(1,)),
    val=dict(patch={{_base_.patch}}, whole_image=True, objects=(1,)),
    test=dict(patch={{_base_.patch}}, whole_image=True, objects=(1,)),
)
runner = dict(max_iters=33000)

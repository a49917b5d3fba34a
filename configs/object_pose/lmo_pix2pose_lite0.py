"""LM-O from renderings of its models alone: pix2pose_lite0.py for eight objects. No real image is
used in training, nor to choose a setting.

DATA      LM-O in BOP's layout: models, models_eval, camera.json, test
COMMAND   tools/train.py configs/object_pose/lmo_pix2pose_lite0.py --data-root data/lmo
HARDWARE  2 CPU cores: one trains, one renders
RESULT    not trained yet
"""

_base_ = [
    "./_base_/models/pix2pose_lite0.py",
    "./_base_/datasets/lmo.py",
    "./_base_/schedules/adamw_steps.py",
    "./_base_/default_runtime.py",
]
model = dict(head=dict(objects=8))
data = dict(
    train=dict(patch={{_base_.patch}}, amodal=True),
    val=dict(patch={{_base_.patch}}, whole_image=True),
    test=dict(patch={{_base_.patch}}, whole_image=True),
)

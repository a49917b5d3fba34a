"""LM-O from renderings of its models alone: embedded_lite0.py for eight objects. No real image is
used in training, nor to choose a setting.

DATA      LM-O in BOP's layout: models, models_eval, camera.json, test
COMMAND   tools/dist_train.sh configs/object_pose/lmo_lite0.py 2 --seed 0 --data-root data/lmo
HARDWARE  2 CPU cores, two processes that train and render 8 patches each
RESULT    not trained yet
"""

_base_ = [
    "./_base_/models/lite0.py",
    "./_base_/datasets/lmo.py",
    "./_base_/schedules/adamw_steps.py",
    "./_base_/default_runtime.py",
]
model = dict(head=dict(objects=8))
data = dict(
    samples_per_gpu=8,
    train=dict(patch={{_base_.patch}}),
    val=dict(patch={{_base_.patch}}),
    test=dict(patch={{_base_.patch}}),
)
runner = dict(max_iters=14000)

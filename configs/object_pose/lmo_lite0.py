"""LM-O from renderings of its models alone: embedded_lite0.py for eight objects. No real image is
used in training, nor to choose a setting.

DATA      LM-O in BOP's layout: models, models_eval, camera.json, test
COMMAND   OMP_NUM_THREADS=1 tools/train.py configs/object_pose/lmo_lite0.py --seed 0
              --data-root data/lmo
HARDWARE  1 CPU core
RESULT    ADD(-S) 0.1d 0.087, AR_MSSD 0.173, AR_MSPD 0.590 on the real test images, true boxes;
          0.030, 0.078 and 0.300 in detected boxes (docs/experiments/object_pose.md);
          2.3 core hours
"""

_base_ = [
    "./_base_/models/lite0.py",
    "./_base_/datasets/lmo.py",
    "./_base_/schedules/adamw_steps.py",
    "./_base_/default_runtime.py",
]
model = dict(head=dict(objects=8))
data = dict(
    samples_per_gpu=16,
    workers_per_gpu=0,
    train=dict(
        type="StoredCrops",
        cache="data/lmo_stored_crops",
        stored=32000,
        patch={{_base_.patch}},
        clutter=0.8,
        white_balance=0.35,
    ),
    val=dict(patch={{_base_.patch}}),
    test=dict(patch={{_base_.patch}}),
)
runner = dict(max_iters=14000)
custom_hooks = [dict(type="MixedPrecisionHook", channels_last=True)]

"""LM-O from renderings of its models alone: pix2pose_lite0.py for eight objects, with clutter
behind them. No real image is used in training, nor to choose a setting.

DATA      LM-O in BOP's layout: models, models_eval, camera.json, test
COMMAND   OMP_NUM_THREADS=1 tools/train.py configs/object_pose/lmo_pix2pose_lite0.py --seed 0
              --data-root data/lmo --load-from configs/object_pose/pix2pose_lite0.pth
HARDWARE  1 CPU core
RESULT    ADD(-S) 0.1d 0.075, AR_MSSD 0.116, AR_MSPD 0.425 on the real test images, true boxes;
          0.034, 0.063 and 0.239 in detected boxes (docs/experiments/object_pose.md); 0.9 core hours
"""

_base_ = [
    "./_base_/models/pix2pose_lite0.py",
    "./_base_/datasets/lmo.py",
    "./_base_/schedules/adamw_steps.py",
    "./_base_/default_runtime.py",
]
model = dict(head=dict(objects=8))
data = dict(
    workers_per_gpu=0,
    train=dict(
        type="StoredCrops",
        cache="data/lmo_stored_amodal_crops",
        stored=20000,
        patch={{_base_.patch}},
        amodal=True,
        clutter=0.8,
        white_balance=0.35,
    ),
    val=dict(patch={{_base_.patch}}, whole_image=True),
    test=dict(patch={{_base_.patch}}, whole_image=True),
)
runner = dict(max_iters=5000)
custom_hooks = [dict(type="MixedPrecisionHook", channels_last=True)]

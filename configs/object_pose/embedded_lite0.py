"""The embedded default of the object poses: EfficientNet-lite0 for five objects, 3.2 M parameters
from ImageNet weights. The geometry of the training patches is stored, light and background are
drawn for each patch.

DATA      tools/create_synthetic_bop.py data/synthetic_bop
COMMAND   OMP_NUM_THREADS=1 tools/train.py configs/object_pose/embedded_lite0.py --seed 0
HARDWARE  2 CPU cores: one for the network, half of the other for the patches
RESULT    ADD(-S) 0.1d 0.73, 0.05d 0.48, AR_MSPD 0.87 on held-out images, boxes changed by up to 0.1
          (docs/experiments/object_pose.md); 3 core hours
"""

_base_ = [
    "./_base_/models/lite0.py",
    "./_base_/datasets/synthetic_bop.py",
    "./_base_/schedules/adamw_steps.py",
    "./_base_/default_runtime.py",
]
data = dict(
    train=dict(
        type="StoredCrops",
        cache="data/synthetic_bop/stored_crops",
        stored=64000,
        patch={{_base_.patch}},
    ),
    val=dict(patch={{_base_.patch}}),
    test=dict(patch={{_base_.patch}}),
)
runner = dict(max_iters=20000)
custom_hooks = [dict(type="MixedPrecisionHook", channels_last=True)]

"""The embedded default of the object poses: EfficientNet-lite0 for five objects, 3.2 M parameters
from ImageNet weights, trained on patches that are rendered as they are needed.

DATA      tools/create_synthetic_bop.py data/synthetic_bop
COMMAND   tools/dist_train.sh configs/object_pose/embedded_lite0.py 2 --seed 0
HARDWARE  2 CPU cores, two processes that train and render 8 patches each
RESULT    ADD(-S) 0.1d 0.68, 0.05d 0.44, AR_MSPD 0.86 on held-out images, boxes changed by up to 0.1
          (docs/experiments/object_pose.md); 2.3 core hours
"""

_base_ = [
    "./_base_/models/lite0.py",
    "./_base_/datasets/synthetic_bop.py",
    "./_base_/schedules/adamw_steps.py",
    "./_base_/default_runtime.py",
]
data = dict(
    samples_per_gpu=8,
    train=dict(patch={{_base_.patch}}),
    val=dict(patch={{_base_.patch}}),
    test=dict(patch={{_base_.patch}}),
)

"""The embedded default of the object poses: EfficientNet-lite0 for five objects, 3.2 M parameters
from ImageNet weights, trained on patches that are rendered as they are needed.

DATA      tools/create_synthetic_bop.py data/synthetic_bop
COMMAND   tools/train.py configs/object_pose/embedded_lite0.py
HARDWARE  2 CPU cores: one trains, one renders
RESULT    not trained yet
"""

_base_ = [
    "./_base_/models/lite0.py",
    "./_base_/datasets/synthetic_bop.py",
    "./_base_/schedules/adamw_steps.py",
    "./_base_/default_runtime.py",
]
data = dict(
    train=dict(patch={{_base_.patch}}),
    val=dict(patch={{_base_.patch}}),
    test=dict(patch={{_base_.patch}}),
)

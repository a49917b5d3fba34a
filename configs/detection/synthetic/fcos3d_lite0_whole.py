"""FCOS3D on EfficientNet-lite0 after its training on windows, 1500 steps longer on whole images, as
fcos3d_r18_varied_whole.py.

COMMAND   tools/dist_train.sh configs/detection/synthetic/fcos3d_lite0_whole.py 2
              --load-from work_dirs/fcos3d_lite0/latest.pth
HARDWARE  2 CPU cores, 16 minutes
RESULT    NDS 0.3730, mAP 0.2824, mAOE 0.409 on the two held-out scenes
          (docs/experiments/results.md)
"""

from epropnp_det.detection.data.pipelines import (
    NORMALIZE_LITE,
    join_synthetic_training_sets,
    make_train_pipeline,
)

_base_ = ["./fcos3d_lite0.py"]
train_pipeline = make_train_pipeline(
    {{_base_.class_names}},
    scale=0.5,
    canonical_yaw=True,
    normalize=NORMALIZE_LITE,
    fcos3d=True,
    canonical={{_base_.canonical}},
)
all_worlds = join_synthetic_training_sets(train_pipeline)
data = dict(samples_per_gpu=1, train=dict(all_worlds, _delete_=True))
optimizer = dict(lr=2e-4)
runner = dict(max_iters=1500)

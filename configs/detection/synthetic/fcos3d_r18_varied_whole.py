"""FCOS3D after its training on crops, 1500 steps longer on whole images. It regresses depth
directly from features, which depend on the GroupNorm statistics of the image
(docs/experiments/results.md).

COMMAND   tools/dist_train.sh configs/detection/synthetic/fcos3d_r18_varied_whole.py 2
              --load-from work_dirs/fcos3d_r18_varied/latest.pth
HARDWARE  2 CPU cores, 12 minutes
RESULT    NDS 0.2930, mAP 0.1569, mAOE 0.478 on the two held-out scenes
          (docs/experiments/results.md)
"""

from epropnp_det.detection.data.pipelines import join_synthetic_training_sets, make_train_pipeline

_base_ = ["./fcos3d_r18_varied.py"]
train_pipeline = make_train_pipeline(
    {{_base_.class_names}},
    scale=0.5,
    canonical_yaw=True,
    fcos3d=True,
    canonical={{_base_.canonical}},
)
all_worlds = join_synthetic_training_sets(train_pipeline)
data = dict(samples_per_gpu=1, train=dict(all_worlds, _delete_=True))
optimizer = dict(lr=2e-4)
runner = dict(max_iters=1500)

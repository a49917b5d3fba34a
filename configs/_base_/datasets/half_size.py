# nuScenes v1.0-mini at half resolution, for CPUs. Paths come from the config that builds on this
# one.
from epropnp_det.detection.data.pipelines import (
    make_test_pipeline,
    make_train_pipeline,
    mini_split,
)

_base_ = ["./nuscenes.py"]
data_root = "data/synthetic/"
half = dict(type="ResizeImage", scale=0.5)
train_pipeline = make_train_pipeline(
    {{_base_.class_names}}, scale=0.5, canonical={{_base_.canonical}}
)
test_pipeline = make_test_pipeline(
    {{_base_.class_names}}, scale=0.5, canonical={{_base_.canonical}}
)
mini = dict(version="v1.0-mini")
data = dict(
    samples_per_gpu=2,
    workers_per_gpu=1,
    train=dict(mini, pipeline=train_pipeline, **mini_split(data_root, "train")),
    val=dict(mini, pipeline=test_pipeline, **mini_split(data_root, "val")),
    test=dict(mini, pipeline=test_pipeline, **mini_split(data_root, "val")),
)

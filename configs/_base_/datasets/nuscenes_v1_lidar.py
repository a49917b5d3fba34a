# nuscenes_v1.py with LiDAR points for the auxiliary losses.
from epropnp_det.detection.data.pipelines import make_train_pipeline

_base_ = ["./nuscenes_v1.py"]
train_pipeline = make_train_pipeline(
    {{_base_.class_names}},
    load={{_base_.load_v1}},
    lidar=True,
    canonical={{_base_.canonical}},
)
train_on_val = dict(pipeline=train_pipeline)
data = dict(train=dict(pipeline=train_pipeline))

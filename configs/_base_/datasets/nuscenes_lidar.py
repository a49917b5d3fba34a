# nuscenes.py with LiDAR points for the auxiliary losses: `tools/create_data.py nuscenes ROOT
# --lidar` writes them.
from epropnp_det.detection.data.pipelines import make_train_pipeline

_base_ = ["./nuscenes.py"]
train_pipeline = make_train_pipeline(
    {{_base_.class_names}}, lidar=True, canonical={{_base_.canonical}}
)
train_on_val = dict(pipeline=train_pipeline)
data = dict(train=dict(pipeline=train_pipeline))

# half_size.py with LiDAR points for the auxiliary losses: `tools/create_data.py nuscenes ROOT
# --version v1.0-mini --lidar` writes them.
from epropnp_det.detection.data.pipelines import make_train_pipeline

_base_ = ["./half_size.py"]
train_pipeline = make_train_pipeline(
    {{_base_.class_names}}, scale=0.5, lidar=True, canonical={{_base_.canonical}}
)
data = dict(train=dict(pipeline=train_pipeline))

# nuscenes.py with LiDAR points for the auxiliary losses: `tools/create_data.py nuscenes ROOT
# --lidar` writes them.
_base_ = ["./nuscenes.py"]
train_pipeline = [
    {{_base_.load}},
    {{_base_.annotate}},
    {{_base_.load_lidar}},
    {{_base_.crop}},
    {{_base_.keep_visible}},
    {{_base_.flip}},
    {{_base_.normalize}},
    {{_base_.pad}},
    {{_base_.bundle}},
    {{_base_.collect}},
]
train_on_val = dict(pipeline=train_pipeline)
data = dict(train=dict(pipeline=train_pipeline))

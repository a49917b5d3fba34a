# half_size.py with LiDAR points for the auxiliary losses: `tools/create_data.py nuscenes ROOT
# --version v1.0-mini --lidar` writes them.
_base_ = ["./half_size.py"]
collect_with_lidar = dict(
    type="Collect3D",
    keys=["img", "gt_bboxes_3d", "gt_labels_3d", "gt_bboxes", "attr_labels"],
    meta_keys=("filename", "ori_shape", "img_shape", "pad_shape", "camera", "flip", "lidar_points"),
)
train_pipeline = [
    {{_base_.load}},
    {{_base_.annotate}},
    dict(type="LoadLidarPoints"),
    {{_base_.crop}},
    {{_base_.keep_visible}},
    {{_base_.half}},
    {{_base_.flip}},
    {{_base_.normalize}},
    {{_base_.pad}},
    {{_base_.bundle}},
    collect_with_lidar,
]
data = dict(train=dict(pipeline=train_pipeline))

# nuScenes camera images. The sky is cropped away; ground truth follows every change of the image
# through the camera.
dataset_type = "NuScenesCameraDataset"
data_root = "data/nuscenes/"
class_names = (
    "car",
    "truck",
    "trailer",
    "bus",
    "construction_vehicle",
    "bicycle",
    "motorcycle",
    "pedestrian",
    "traffic_cone",
    "barrier",
)
meta_keys = ("filename", "ori_shape", "img_shape", "pad_shape", "camera", "flip", "lidar_points")
# The steps have names, so that a config can put its own row of them together.
load = dict(type="LoadCameraImage")
annotate = dict(type="LoadCameraAnnotations")
load_lidar = dict(type="LoadLidarPoints")
crop = dict(type="CropImage", box=(0, 228, 1600, 900))
keep_visible = dict(type="FilterObjects", min_visibility=2, max_truncation=0.8, min_box_size=4.0)
flip = dict(type="FlipImage", prob=0.5)
normalize = dict(
    type="Normalize", mean=[123.675, 116.28, 103.53], std=[58.395, 57.12, 57.375], to_rgb=True
)
pad = dict(type="Pad", size_divisor=32)
bundle = dict(type="DefaultFormatBundle3D", class_names=class_names)
bundle_image = dict(bundle, with_label=False)
collect = dict(
    type="Collect3D",
    keys=["img", "gt_bboxes_3d", "gt_labels_3d", "gt_bboxes", "attr_labels"],
    meta_keys=meta_keys,
)
collect_image = dict(type="Collect3D", keys=["img"], meta_keys=meta_keys)
train_pipeline = [load, annotate, crop, keep_visible, flip, normalize, pad, bundle, collect]
test_pipeline = [load, crop, normalize, pad, bundle_image, collect_image]
common = dict(type=dataset_type, data_root=data_root, version="v1.0-trainval")
# For models that train on both sets and are tested on the third.
train_on_val = dict(
    ann_file=data_root + "nuscenes_infos_val_mono3d.coco.json", pipeline=train_pipeline, **common
)
test_split = dict(version="v1.0-test", ann_file=data_root + "nuscenes_infos_test_mono3d.coco.json")
data = dict(
    samples_per_gpu=3,
    workers_per_gpu=3,
    train=dict(
        ann_file=data_root + "nuscenes_infos_train_mono3d.coco.json",
        pipeline=train_pipeline,
        **common,
    ),
    val=dict(
        ann_file=data_root + "nuscenes_infos_val_mono3d.coco.json",
        pipeline=test_pipeline,
        test_mode=True,
        **common,
    ),
    test=dict(
        ann_file=data_root + "nuscenes_infos_val_mono3d.coco.json",
        pipeline=test_pipeline,
        test_mode=True,
        **common,
    ),
)

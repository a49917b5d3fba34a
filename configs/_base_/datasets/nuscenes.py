# nuScenes camera images. The sky is cropped away; ground truth follows every change of the image through the camera.
dataset_type = "NuScenesCameraDataset"
data_root = "data/nuscenes/"
class_names = ("car", "truck", "trailer", "bus", "construction_vehicle", "bicycle", "motorcycle", "pedestrian", "traffic_cone", "barrier")
img_norm_cfg = dict(mean=[123.675, 116.28, 103.53], std=[58.395, 57.12, 57.375], to_rgb=True)
meta_keys = ("filename", "ori_shape", "img_shape", "pad_shape", "camera", "flip")
crop = (0, 228, 1600, 900)
train_pipeline = [
    dict(type="LoadCameraImage"),
    dict(type="LoadCameraAnnotations"),
    dict(type="CropImage", box=crop),
    dict(type="FilterObjects", min_visibility=2, max_truncation=0.8, min_box_size=4.0),
    dict(type="FlipImage", prob=0.5),
    dict(type="Normalize", **img_norm_cfg),
    dict(type="Pad", size_divisor=32),
    dict(type="DefaultFormatBundle3D", class_names=class_names),
    dict(type="Collect3D", keys=["img", "gt_bboxes_3d", "gt_labels_3d", "gt_bboxes", "attr_labels"], meta_keys=meta_keys),
]
test_pipeline = [
    dict(type="LoadCameraImage"),
    dict(type="CropImage", box=crop),
    dict(type="Normalize", **img_norm_cfg),
    dict(type="Pad", size_divisor=32),
    dict(type="DefaultFormatBundle3D", class_names=class_names, with_label=False),
    dict(type="Collect3D", keys=["img"], meta_keys=meta_keys),
]
common = dict(type=dataset_type, data_root=data_root, version="v1.0-trainval")
data = dict(
    samples_per_gpu=3,
    workers_per_gpu=3,
    train=dict(ann_file=data_root + "nuscenes_infos_train_mono3d.coco.json", pipeline=train_pipeline, **common),
    val=dict(ann_file=data_root + "nuscenes_infos_val_mono3d.coco.json", pipeline=test_pipeline, test_mode=True, **common),
    test=dict(ann_file=data_root + "nuscenes_infos_val_mono3d.coco.json", pipeline=test_pipeline, test_mode=True, **common),
)

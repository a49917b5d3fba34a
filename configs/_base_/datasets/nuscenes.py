# nuScenes camera images. The sky is cropped away; ground truth follows every change of the image
# through the camera.
from epropnp_det.detection.data import nuscenes_classes, pipelines

dataset_type = "NuScenesCameraDataset"
data_root = "data/nuscenes/"
class_names = nuscenes_classes.CLASSES
# Images of other cameras are warped to one like those of nuScenes, whose own images stay.
canonical = pipelines.NUSCENES_CAMERA
train_pipeline = pipelines.make_train_pipeline(class_names, canonical=canonical)
test_pipeline = pipelines.make_test_pipeline(class_names, canonical=canonical)
# The steps keep their names, for configs that compose a pipeline of their own.
load = pipelines.LOAD
annotate = pipelines.ANNOTATE
load_lidar = pipelines.LOAD_LIDAR
crop = pipelines.CROP
keep_visible = pipelines.KEEP_VISIBLE
flip = pipelines.FLIP
normalize = pipelines.NORMALIZE
pad = pipelines.PAD
meta_keys = pipelines.META_KEYS
bundle = train_pipeline[-2]
collect = train_pipeline[-1]
bundle_image = test_pipeline[-2]
collect_image = test_pipeline[-1]
common = dict(type=dataset_type, data_root=data_root, version="v1.0-trainval")
validation = dict(ann_file=data_root + "nuscenes_infos_val_mono3d.coco.json", **common)
# For models that train on both sets and are tested on the third.
train_on_val = dict(pipeline=train_pipeline, **validation)
test_split = dict(version="v1.0-test", ann_file=data_root + "nuscenes_infos_test_mono3d.coco.json")
data = dict(
    samples_per_gpu=3,
    workers_per_gpu=3,
    train=dict(
        ann_file=data_root + "nuscenes_infos_train_mono3d.coco.json",
        pipeline=train_pipeline,
        **common,
    ),
    val=dict(pipeline=test_pipeline, test_mode=True, **validation),
    test=dict(pipeline=test_pipeline, test_mode=True, **validation),
)

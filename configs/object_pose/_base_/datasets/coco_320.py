# Whole images at 320 x 240 px, for CPUs.
from epropnp_det.object_pose.data.coco_pipelines import coco_test_pipeline, coco_train_pipeline

train_pipeline = coco_train_pipeline((320, 240))
test_pipeline = coco_test_pipeline((320, 240))

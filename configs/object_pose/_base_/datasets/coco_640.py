# Whole images of 640 x 480 px.
from epropnp_det.object_pose.data.coco_pipelines import coco_test_pipeline, coco_train_pipeline

train_pipeline = coco_train_pipeline((640, 480))
test_pipeline = coco_test_pipeline((640, 480))

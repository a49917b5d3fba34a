# nuscenes.py for the released v1 and v1b models: they put pixel centres at whole numbers, so the
# principal point moves by half a pixel.
from epropnp_det.detection.data.pipelines import make_test_pipeline, make_train_pipeline

_base_ = ["./nuscenes.py"]
load_v1 = dict(type="LoadCameraImage", first_pixel=0.0)
train_pipeline = make_train_pipeline(
    {{_base_.class_names}}, load=load_v1, canonical={{_base_.canonical}}
)
test_pipeline = make_test_pipeline(
    {{_base_.class_names}}, load=load_v1, canonical={{_base_.canonical}}
)
train_on_val = dict(pipeline=train_pipeline)
data = dict(
    train=dict(pipeline=train_pipeline),
    val=dict(pipeline=test_pipeline),
    test=dict(pipeline=test_pipeline),
)

# nuscenes.py for the released v1 and v1b models: they put pixel centres at whole numbers, so the
# principal point moves by half a pixel.
_base_ = ["./nuscenes.py"]
load_v1 = dict(type="LoadCameraImage", first_pixel=0.0)
train_pipeline = [
    load_v1,
    {{_base_.annotate}},
    {{_base_.crop}},
    {{_base_.keep_visible}},
    {{_base_.flip}},
    {{_base_.normalize}},
    {{_base_.pad}},
    {{_base_.bundle}},
    {{_base_.collect}},
]
test_pipeline = [
    load_v1,
    {{_base_.crop}},
    {{_base_.normalize}},
    {{_base_.pad}},
    {{_base_.bundle_image}},
    {{_base_.collect_image}},
]
train_on_val = dict(pipeline=train_pipeline)
data = dict(
    train=dict(pipeline=train_pipeline),
    val=dict(pipeline=test_pipeline),
    test=dict(pipeline=test_pipeline),
)

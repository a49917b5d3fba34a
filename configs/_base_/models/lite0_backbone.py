# EfficientNet-lite0 with ImageNet weights for detectors: strides 8, 16 and 32. Its statistics stay,
# because few windows are in a batch and tests see whole images.
lite0 = dict(
    _delete_=True,
    type="EfficientNetLite",
    pretrained=True,
    out_indices=(1, 2, 3),
    norm_eval=True,
)
# The same from the weights of configs/detection/synthetic/backbone_lite0.py.
lite0_trained_on_crops = dict(
    lite0,
    pretrained=False,
    init_cfg=dict(
        type="Pretrained", checkpoint="work_dirs/backbone_lite0/latest.pth", prefix="backbone."
    ),
)
lite0_channels = [40, 112, 320]

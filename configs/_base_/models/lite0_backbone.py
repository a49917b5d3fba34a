# EfficientNet-lite0 with ImageNet weights for detectors: strides 8, 16 and 32. Its statistics stay,
# because few windows are in a batch and tests see whole images.
lite0 = dict(
    _delete_=True,
    type="EfficientNetLite",
    pretrained=True,
    out_indices=(1, 2, 3),
    norm_eval=True,
)
lite0_channels = [40, 112, 320]

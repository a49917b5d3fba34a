# lite0.py with a ResNet-18 from torchvision in place of EfficientNet-lite0.
_base_ = ["./lite0.py"]
patch = dict(mean=(123.675, 116.28, 103.53), std=(58.395, 57.12, 57.375))
model = dict(
    backbone=dict(
        _delete_=True,
        type="ResNet",
        depth=18,
        norm_eval=False,
        init_cfg=dict(type="Pretrained", checkpoint="torchvision://resnet18"),
    ),
    neck=dict(in_channels=(64, 128, 256, 512)),
)

# lite0.py with a ResNet-18 from torchvision in place of EfficientNet-lite0.
_base_ = ["./lite0.py"]
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

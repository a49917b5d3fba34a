# pix2pose_lite0.py with a ResNet-34 from torchvision, wider, and maps of 64 x 64 cells.
_base_ = ["./pix2pose_lite0.py"]
patch = dict(mean=(123.675, 116.28, 103.53), std=(58.395, 57.12, 57.375))
model = dict(
    backbone=dict(
        _delete_=True,
        type="ResNet",
        depth=34,
        norm_eval=False,
        init_cfg=dict(type="Pretrained", checkpoint="torchvision://resnet34"),
    ),
    neck=dict(
        in_channels=(64, 128, 256, 512),
        up_channels=(64, 128, 256),
        out_channels=(128, 128, 256),
    ),
    head=dict(in_channels=128, doubles=True),
)

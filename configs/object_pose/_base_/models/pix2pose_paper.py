# The network of Pix2Pose as published: four levels of 5x5 convolutions, a bottleneck of 256
# numbers, half of each level as a skip, patches of 128 px, maps of 128 x 128 cells, one network for
# one object, coordinates through tanh. The discriminator of the original is not part of it; the
# mask is an addition.
_base_ = ["./pix2pose_lite0.py"]
patch = dict(mean=(128.0, 128.0, 128.0))
model = dict(
    backbone=dict(_delete_=True, type="Pix2PoseEncoder", size=128),
    neck=dict(
        in_channels=(128, 256, 256, 256),
        up_channels=(64, 128, 256),
        out_channels=(128, 256, 256),
        skip_channels=(64, 128, 128),
        kernel=5,
    ),
    head=dict(in_channels=128, objects=None, doubles=True, bounded=True),
    losses=dict(coordinate=100.0, error=50.0, mask=20.0),
)

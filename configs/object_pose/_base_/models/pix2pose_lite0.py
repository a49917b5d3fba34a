# Pix2Pose with EfficientNet-lite0 and a decoder with skips, for CPUs: patches of 128 px, maps of
# 32 x 32 cells, output channels for each object. `objects` is set to the number of objects of the
# data, whose patches need `amodal=True`; ProjectionLoss needs `vertices`, too.
patch = dict(size=128, mean=(127.0, 127.0, 127.0), std=(128.0, 128.0, 128.0), to_rgb=True)
model = dict(
    type="Pix2PoseEstimator",
    backbone=dict(type="EfficientNetLite", pretrained=True),
    neck=dict(
        type="UNetDecoder",
        in_channels=(24, 40, 112, 320),
        up_channels=(32, 48, 96),
        out_channels=(64, 64, 96),
    ),
    head=dict(type="Pix2PoseHead", in_channels=64, objects=5),
    points=dict(train_points=512, inner=0.15, independent=32),
    losses=dict(coordinate=1.0, error=0.5, mask=0.2, beta=3.0, symmetric=True),
    train_cfg=dict(
        imitate_second_pass=0.5,
        pnp=dict(
            mc_samples=256,
            amis_rounds=4,
            lm_iterations=10,
            init=dict(proposals=16, points=16, iterations=3),
        ),
    ),
    test_cfg=dict(
        start="random",
        samples=True,
        two_pass=dict(outer=(0.15, 0.25, 0.35), scale=1.5, hide_background=True),
        pnp=dict(
            mc_samples=512,
            amis_rounds=4,
            lm_iterations=10,
            init=dict(proposals=64, points=16, iterations=3),
        ),
    ),
)

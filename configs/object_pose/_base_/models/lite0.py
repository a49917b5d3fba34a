# EfficientNet-lite0 and a pyramid of 64 channels, for CPUs: patches of 128 px, maps of 32 x 32
# cells, output channels for each object. `objects` is set to the number of objects of the data.
patch = dict(size=128, mean=(127.0, 127.0, 127.0), std=(128.0, 128.0, 128.0), to_rgb=True)
model = dict(
    type="ObjectPoseEstimator",
    backbone=dict(type="EfficientNetLite", pretrained=True),
    neck=dict(type="FinestPyramidLevel", in_channels=(24, 40, 112, 320), out_channels=64),
    head=dict(type="CorrespondenceHead", in_channels=64, objects=5, initialization="v2"),
    points=dict(train_points=512),
    losses=dict(
        coordinate=dict(loss_weight=0.9, reduction="masked"),
        pose=dict(type="MonteCarloPoseLoss", loss_weight=0.2),
        position=0.1,
        orientation=0.1,
        beta=0.05,
        symmetric=True,
    ),
    train_cfg=dict(
        pnp=dict(
            mc_samples=256,
            amis_rounds=4,
            lm_iterations=5,
            init=dict(proposals=8, points=16, iterations=3),
        )
    ),
    test_cfg=dict(
        start="random",
        samples=True,
        pnp=dict(
            mc_samples=512,
            amis_rounds=4,
            lm_iterations=5,
            init=dict(proposals=64, points=16, iterations=3),
        ),
    ),
)

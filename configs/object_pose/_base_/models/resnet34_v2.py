# The network of EPro-PnP-6DoF v2 as released: ResNet-34, CDPN's decoder, one set of output channels
# for all objects; patches of 256 px, maps of 64 x 64 cells.
# Blue, green, red in [0, 1] without ImageNet's mean and deviation, patches of whole pixels.
patch = dict(size=256, mean=(0.0, 0.0, 0.0), std=(255.0, 255.0, 255.0), to_rgb=False, released=True)
model = dict(
    type="ObjectPoseEstimator",
    backbone=dict(
        type="ResNet",
        depth=34,
        out_indices=(3,),
        # The released programs train batch norm, too.
        norm_eval=False,
        init_cfg=dict(type="Pretrained", checkpoint="torchvision://resnet34"),
    ),
    neck=dict(type="UpsamplingDecoder", in_channels=512, out_channels=256, initialization="v2"),
    head=dict(type="CorrespondenceHead", in_channels=256, objects=None, initialization="v2"),
    points=dict(
        train_points=512,
        weight_rule="v2",
        # Points at the upper left corners of their cells; weights of a test as they are, so that
        # the posterior of 4096 points is flatter than that of the 512 of the training.
        cell_offset=0.0,
        match_train_weights=False,
        relative_delta=0.1,
        border_cells=30.0,
        z_min=0.01,
    ),
    losses=dict(
        coordinate=dict(loss_weight=1.0, reduction="all"),
        pose=dict(type="MonteCarloPoseLoss", loss_weight=0.2, momentum=0.01),
        position=1.0,
        orientation=1.0,
        beta=0.05,
        symmetric=False,
        regularize_from_gt=True,
    ),
    train_cfg=dict(
        pnp=dict(
            mc_samples=512,
            amis_rounds=4,
            lm_iterations=5,
            # The released programs refine the best proposal alone.
            init=dict(proposals=4, points=16, iterations=3, candidates=1),
        )
    ),
    # EPnP on the best fifth of the cells, then three undamped Gauss-Newton steps.
    test_cfg=dict(start="epnp", pnp=dict(lm_iterations=3, solver="gauss_newton")),
)

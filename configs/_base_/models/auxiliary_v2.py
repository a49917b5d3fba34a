# The auxiliary losses of the released v2 models; they need LiDAR points (LoadLidarPoints). A delta of the sigma turns the mixtures robust.
model = dict(
    bbox_head=dict(
        auxiliary=dict(roi_size=14, coordinate_unit="mean_side"),
        losses=dict(
            projection=dict(type="MixtureNLLLoss", loss_weight=0.5, delta=2.0),
            coordinate=dict(type="MixtureNLLLoss", loss_weight=2.5, sigma=0.2, delta=2.0),
            depth=dict(type="MixtureNLLLoss", loss_weight=1.5, sigma=0.3, delta=0.3),
        ),
    )
)

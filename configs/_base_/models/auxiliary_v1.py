# The auxiliary losses of the released v1 and v1b models that saw LiDAR points (LoadLidarPoints); those without keep `projection` alone.
model = dict(
    bbox_head=dict(
        auxiliary=dict(roi_size=28, coordinate_unit="longest_side"),
        losses=dict(
            projection=dict(type="MixtureNLLLoss", loss_weight=0.5),
            coordinate=dict(type="MixtureSmoothL1Loss", loss_weight=0.25, beta=0.05),
        ),
    )
)

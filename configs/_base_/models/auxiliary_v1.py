# Auxiliary losses of the released v1 and v1b models, to be picked by a config. `coordinate_loss`
# needs LiDAR points (LoadLidarPoints).
auxiliary = dict(roi_size=14, coordinate_unit="longest_side")
projection_loss = dict(type="MixtureNLLLoss", loss_weight=0.5)
coordinate_loss = dict(type="MixtureSmoothL1Loss", loss_weight=0.25, beta=0.05)

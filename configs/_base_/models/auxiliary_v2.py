# Auxiliary losses of the released v2 models, to be picked by a config; a delta of the sigma turns
# the mixtures robust. Those of coordinates and depth need LiDAR points (LoadLidarPoints).
auxiliary = dict(roi_size=14, coordinate_unit="mean_side")
projection_loss = dict(type="MixtureNLLLoss", loss_weight=0.5, delta=2.0)
coordinate_loss = dict(type="MixtureNLLLoss", loss_weight=2.5, sigma=0.2, delta=2.0)
depth_loss = dict(type="MixtureNLLLoss", loss_weight=1.5, sigma=0.3, delta=0.3)

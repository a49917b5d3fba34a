# The ten classes of the nuScenes detection task, with their size priors, attributes and ranges
# (epropnp_det/detection/data/nuscenes_classes.py).
import dataclasses

from epropnp_det.detection.data import class_set

classes = dataclasses.asdict(class_set.NUSCENES)

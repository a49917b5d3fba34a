"""Former home of the detector's datasets, kept for one release."""

from epropnp_det.detection import *  # noqa: F403
from epropnp_det.detection.old_names import DATASETS, forward

forward(__name__, DATASETS)

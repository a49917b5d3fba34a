"""Former home of the detector's models, kept for one release."""

from epropnp_det.detection import *  # noqa: F403
from epropnp_det.detection.old_names import MODELS, forward

forward(__name__, MODELS)

"""The detector: dense queries, deformable correspondences, and a pose distribution for each of them."""

from epropnp_det import compat

from .baseline import FCOS3DBaseline
from .dense_head import EProPnPDenseHead
from .detector import EProPnPDet
from .heading_classifier import HeadingClassifier
from .losses import MonteCarloPoseLoss
from .pnp_head import EProPnPHead
from .structures import Detections

__all__ = ["Detections", "EProPnPDenseHead", "EProPnPDet", "EProPnPHead", "FCOS3DBaseline", "HeadingClassifier", "MonteCarloPoseLoss"]

"""Six-degree-of-freedom poses of known objects (EPro-PnP-6DoF) on BOP data. Importing this
registers the model with mmcv's registries.
"""

from epropnp_det import compat
from epropnp_det.engine.efficientnet_lite import EfficientNetLite

from .data.background_steps import DrawClutter, PastePhotograph
from .data.bop_targets import BopTargets
from .data.coco_objects import CocoObjects
from .data.rendered_crops import RenderedCrops
from .data.stored_crops import StoredCrops
from .estimator import ObjectPoseEstimator
from .heads import CorrespondenceHead
from .network import FinestPyramidLevel, UpsamplingDecoder
from .pix2pose.estimator import Pix2PoseEstimator
from .pix2pose.network import Pix2PoseEncoder, Pix2PoseHead, UNetDecoder

__all__ = [
    "BopTargets",
    "CocoObjects",
    "CorrespondenceHead",
    "DrawClutter",
    "EfficientNetLite",
    "FinestPyramidLevel",
    "ObjectPoseEstimator",
    "PastePhotograph",
    "Pix2PoseEncoder",
    "Pix2PoseEstimator",
    "Pix2PoseHead",
    "RenderedCrops",
    "StoredCrops",
    "UNetDecoder",
    "UpsamplingDecoder",
]

"""Monocular 3D detection: importing this registers models, datasets and pipeline steps with
mmdet3d.
"""

from epropnp_det import compat
from epropnp_det.engine.efficientnet_lite import EfficientNetLite

from .boxes import Boxes3D
from .baselines.fcos3d import FCOS3DBaseline
from .baselines.fcos3d_inputs import AddFCOS3DInputs
from .data.canonical_camera import RenderView, WarpToCanonicalCamera, WarpToRandomCamera
from .data.load_lidar import LoadLidarPoints
from .data.nuscenes_dataset import NuScenesCameraDataset
from .data.old_steps import FaceAway
from .data.symmetric_yaw import CanonicalizeSymmetricYaw
from .data.transforms import (
    CropAroundObject,
    CropImage,
    FilterObjects,
    FlipImage,
    LoadCameraAnnotations,
    LoadCameraImage,
    ResizeImage,
)
from .detections import Detections
from .detector import EProPnPDet
from .heads.dense_head import EProPnPDenseHead
from .heads.pnp_head import EProPnPHead
from .pretraining.heading_classifier import HeadingClassifier
from .pretraining.object_crops import ObjectCropDataset

__all__ = [
    "AddFCOS3DInputs",
    "Boxes3D",
    "CanonicalizeSymmetricYaw",
    "CropAroundObject",
    "CropImage",
    "Detections",
    "EProPnPDenseHead",
    "EProPnPDet",
    "EProPnPHead",
    "EfficientNetLite",
    "FCOS3DBaseline",
    "FaceAway",
    "FilterObjects",
    "FlipImage",
    "HeadingClassifier",
    "LoadCameraAnnotations",
    "LoadCameraImage",
    "LoadLidarPoints",
    "NuScenesCameraDataset",
    "ObjectCropDataset",
    "RenderView",
    "ResizeImage",
    "WarpToCanonicalCamera",
    "WarpToRandomCamera",
]

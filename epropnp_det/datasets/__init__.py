"""Datasets and transforms of camera images, registered with MMDetection3D on import."""

from epropnp_det import compat

from .fcos3d import AddFCOS3DInputs
from .load_lidar import LoadLidarPoints
from .nuscenes import NuScenesCameraDataset
from .object_crops import ObjectCropDataset
from .symmetry import FaceAway
from .transforms import CropAroundObject, CropImage, FilterObjects, FlipImage, LoadCameraAnnotations, LoadCameraImage, ResizeImage

__all__ = [
    "AddFCOS3DInputs",
    "CropAroundObject",
    "CropImage",
    "FaceAway",
    "FilterObjects",
    "FlipImage",
    "LoadCameraAnnotations",
    "LoadCameraImage",
    "LoadLidarPoints",
    "NuScenesCameraDataset",
    "ObjectCropDataset",
    "ResizeImage",
]

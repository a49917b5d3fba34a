"""Datasets and transforms of camera images, registered with MMDetection3D on import."""

from epropnp_det import compat

from .nuscenes import NuScenesCameraDataset
from .transforms import CropImage, FilterObjects, FlipImage, LoadCameraAnnotations, LoadCameraImage, ResizeImage

__all__ = [
    "CropImage",
    "FilterObjects",
    "FlipImage",
    "LoadCameraAnnotations",
    "LoadCameraImage",
    "NuScenesCameraDataset",
    "ResizeImage",
]

"""Models that are no detectors of mmdet3d: `build_model` looks a type up here first."""

from mmcv.utils import Registry

MODELS = Registry("model")

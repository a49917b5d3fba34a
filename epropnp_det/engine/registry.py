"""Registry of models that are no detectors of mmdet3d; `build_model` searches it first."""

from mmcv.utils import Registry

MODELS = Registry("model")

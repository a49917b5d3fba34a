"""Registers the plugin, before the tests import mmdet3d."""

from epropnp_det import detection  # noqa: F401

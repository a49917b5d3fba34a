"""Registers the plugin, before the tests import mmdet3d."""

import epropnp_det.datasets
import epropnp_det.models  # noqa: F401

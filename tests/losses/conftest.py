"""Registers the plugin before the tests import mmdet3d; recorded components."""

from epropnp_det import detection  # noqa: F401
from tests.detection.recordings import components  # noqa: F401  a fixture

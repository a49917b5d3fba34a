"""Hooks of the training loop."""

from epropnp_det import compat

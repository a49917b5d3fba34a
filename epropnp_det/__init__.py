"""Monocular 3D detection with pose distributions, built on EPro-PnP."""

__version__ = "0.2.0"

"""Credible regions and densities of weighted pose samples, with numpy."""

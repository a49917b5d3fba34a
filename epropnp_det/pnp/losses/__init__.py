"""Pose losses of the layer: Monte Carlo (Eq. (5)), baselines, and the distance of Eq. (10)."""

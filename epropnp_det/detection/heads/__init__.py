"""Heads of the detector: dense queries, 2D-3D correspondences, poses."""

"""Pix2Pose: coordinates, their expected error and a mask for each pixel; poses in two passes."""

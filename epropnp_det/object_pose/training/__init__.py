"""Losses of the object-pose network."""

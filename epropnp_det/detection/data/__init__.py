"""Annotation files, datasets and pipeline steps of the detector."""

"""Checkpoints of the released EPro-PnP detectors."""

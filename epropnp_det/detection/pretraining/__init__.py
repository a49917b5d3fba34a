"""Pretraining of backbones on object crops."""

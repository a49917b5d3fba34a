"""Pose errors and recalls as the BOP challenge defines them."""

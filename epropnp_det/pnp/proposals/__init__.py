"""Proposal densities of the importance sampler."""

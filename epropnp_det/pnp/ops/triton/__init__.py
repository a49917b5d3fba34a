"""Triton kernels for GPUs: what runs on the GPU, the torch operators that launch it, and `fused`,
which registers them.

Nothing here imports triton before a kernel is asked for.
"""

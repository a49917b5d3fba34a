"""Compiled kernels for the CPU: the C++ headers, and `native`, which registers them."""

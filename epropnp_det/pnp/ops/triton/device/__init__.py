"""Code for the GPU, in Triton's language: it has the syntax of Python, but the compiler supports
less (no unpacking with a star).

Sizes that change from call to call are never compiled in (`do_not_specialize`): a kernel is
compiled once for a number of points.
"""

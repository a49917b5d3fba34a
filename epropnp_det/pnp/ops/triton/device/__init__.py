"""What runs on the GPU, in Triton's language: it looks like Python, but the compiler knows less (no
unpacking with a star).

Sizes that change from call to call are never compiled in (`do_not_specialize`): a kernel is
compiled once for a number of points.
"""

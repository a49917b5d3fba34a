"""Running a config: reading it, loading weights, training, prediction on one process or many.

The package imports nothing itself: a command parses its arguments before the slow imports.
"""

"""Running a config: reading it, loading weights, training, prediction on one process or many."""

from epropnp_det import compat

"""Target assignment and losses of the detector."""

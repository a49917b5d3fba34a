"""Calibration of predicted pose distributions, of both families: temperatures and conformal level
sets from objects that no training has seen.
"""

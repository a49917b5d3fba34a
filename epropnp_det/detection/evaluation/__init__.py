"""Metrics, submissions and reliability of the predicted pose distributions."""

"""Values that the detector passes on: dense outputs, queries, predictions, ground truth, LiDAR
points.
"""

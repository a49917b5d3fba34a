"""Visual odometry on points with LiDAR depth; the 6DoF layer is its pose-only step.

`demo/track_camera.py` runs it on drives through the synthetic world (docs/experiments/tracks.md).
"""

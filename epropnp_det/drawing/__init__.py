"""Pictures of boxes: arrays in, arrays out. OpenCV and matplotlib's Agg canvas only, so no display
is needed.
"""

from .background import BACKGROUNDS, background
from .birdseye import draw_birdseye
from .boxes import DrawnBoxes, draw_boxes
from .wireframe import box_corners, project_segments
from .layout import side_by_side, stacked
from .reliability import draw_reliability
from .heading_rose import draw_yaw_density

__all__ = [
    "BACKGROUNDS",
    "DrawnBoxes",
    "background",
    "box_corners",
    "draw_birdseye",
    "draw_boxes",
    "draw_reliability",
    "draw_yaw_density",
    "project_segments",
    "side_by_side",
    "stacked",
]

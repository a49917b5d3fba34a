"""Pictures of boxes: arrays in, arrays out. OpenCV and matplotlib's Agg canvas only, so no display
is needed.
"""

from .background import BACKGROUNDS, background
from .birdseye import draw_birdseye
from .boxes import draw_boxes
from .heading_rose import draw_yaw_density
from .layout import side_by_side, stacked
from .reliability import draw_reliability
from .wireframe import project_segments

__all__ = [
    "BACKGROUNDS",
    "background",
    "draw_birdseye",
    "draw_boxes",
    "draw_reliability",
    "draw_yaw_density",
    "project_segments",
    "side_by_side",
    "stacked",
]

"""One colour per class, distinguishable on photographs, on grey and on white."""

from __future__ import annotations

# RGB, in the class order of the detection task: vehicles cold, two-wheelers and people warm,
# objects green and grey.
_CLASS_RGB = (
    (66, 133, 244),
    (0, 188, 212),
    (126, 87, 194),
    (0, 121, 160),
    (240, 140, 0),
    (233, 30, 99),
    (216, 27, 27),
    (255, 193, 7),
    (124, 179, 66),
    (150, 124, 108),
)
TRUTH_RGB = (255, 255, 255)
# The x, y and z axis of an object.
AXIS_RGB = ((226, 50, 50), (40, 160, 60), (50, 90, 230))


def class_rgb(label: int) -> tuple[int, int, int]:
    """Colour of a class, (R, G, B) in 0-255; labels beyond the table start again."""
    return _CLASS_RGB[int(label) % len(_CLASS_RGB)]


def bgr(rgb: tuple[int, int, int]) -> tuple[int, int, int]:
    """OpenCV's channel order."""
    red, green, blue = rgb
    return blue, green, red


def unit_rgb(rgb: tuple[int, int, int]) -> tuple[float, float, float]:
    """matplotlib's scale, 0-1."""
    red, green, blue = rgb
    return red / 255, green / 255, blue / 255

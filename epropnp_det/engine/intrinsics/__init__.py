"""Intrinsics of cameras, from numbers, text and the files of calibration programs."""

from .annotated import intrinsics_by_file_name, intrinsics_of_image
from .doubts import camera_faults
from .files import parse_intrinsics, read_intrinsics
from .value import Intrinsics, camera_matrix

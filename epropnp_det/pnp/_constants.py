"""Numbers that plain torch, the compiled and the Triton kernels share, with their reasons."""

from __future__ import annotations

# A magnitude (metres about the mean of an object, pixels or 1/pixels) no measurement reaches, small
# enough that all squares and sums stay finite.
LARGEST = 1e6
# How far [m] an object frame may lie from its points: coordinates of maps and of the earth's centre
# are below it.
LARGEST_OFFSET = 1e9
# Variances [m^2], [px^2] and thresholds below this count as zero: the points coincide.
SMALLEST = 1e-10

# Added to the diagonal of J^T J wherever it is inverted without a trust region, Eq. (9).
DAMPING = 1e-5
# Trust region as in Ceres Solver; the radius to begin with is that of the released programs.
RADIUS = 30.0
MAX_RADIUS = 1e16
MIN_RELATIVE_DECREASE = 1e-3
MIN_DIAGONAL = 1e-6
MAX_DIAGONAL = 1e32
# Rounding errors of a cost, in units in the last place of it.
ROUNDING = 10.0

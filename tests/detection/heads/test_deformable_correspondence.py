"""Laws of what a location reads from the dense maps: features, mask, and where it counts as
being.
"""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from epropnp_det.detection.heads.deformable_correspondence import (
    DeformableSampler,
    clamp_to_cells,
    inside_cells,
    inside_image,
)
from tests.tolerances import EXACT

STRIDE, CELLS, EXTENT = 8, (7, 4), (45.0, 32.0)  # 7 x 4 cells of 8 px around an image of 45 x 32 px


@pytest.fixture(scope="module")
def location():
    """Locations inside, on and far beyond the border of the map."""
    generator = torch.Generator().manual_seed(0)
    return (
        torch.rand(400, 2, generator=generator, dtype=torch.float64) * torch.tensor([90.0, 60.0])
        - 15
    )


def sampled(maps: torch.Tensor, location: torch.Tensor, padding: str) -> torch.Tensor:
    """Bilinear look-up of (C, H, W) maps at (n, 2) locations, px -> (n, C)."""
    grid = location / torch.tensor(maps.shape[:0:-1]) / STRIDE * 2 - 1
    return F.grid_sample(maps[None], grid[None, None], padding_mode=padding, align_corners=False)[
        0, :, 0
    ].T


def averaged(pixels: torch.Tensor) -> torch.Tensor:
    """(C, H, W) maps of pixels -> of cells."""
    return F.avg_pool2d(pixels[None], STRIDE)[0]


def pixel_centres() -> torch.Tensor:
    """(2, H, W) x and y of the pixels under the cells."""
    x, y = (torch.arange(n * STRIDE, dtype=torch.float64) + 0.5 for n in CELLS)
    return torch.stack(torch.meshgrid(x, y, indexing="xy"))


def test_cell_mask_is_read_from_a_map_of_averages(location):
    mask = (pixel_centres() < torch.tensor(EXTENT)[:, None, None]).all(0, keepdim=True).double()
    expected = sampled(averaged(mask), location, "zeros")[:, 0]
    assert (
        (expected == 0).any() and (expected == 1).any() and ((expected > 0) & (expected < 1)).any()
    )
    torch.testing.assert_close(
        inside_cells(location, torch.tensor(EXTENT).double(), STRIDE),
        expected,
        atol=EXACT,
        rtol=EXACT,
    )


def test_cell_location_is_read_from_a_map_of_averages(location):
    expected = sampled(averaged(pixel_centres()), location, "border")
    torch.testing.assert_close(
        clamp_to_cells(location, CELLS, STRIDE), expected, atol=EXACT, rtol=EXACT
    )


def test_the_masks_agree_where_the_image_ends_with_a_cell(location):
    image_size = torch.tensor([48.0, 32.0], dtype=torch.float64)
    cells, image = (
        inside_cells(location, image_size, STRIDE),
        inside_image(location, image_size, STRIDE, shrunk=False),
    )
    torch.testing.assert_close(cells, image, atol=EXACT, rtol=EXACT)


def test_an_unknown_mask_is_refused():
    with pytest.raises(ValueError, match="legacy must be 'v1', 'v2' or None, not 'v3'"):
        DeformableSampler(64, 4, 8, STRIDE, 96, legacy="v3")

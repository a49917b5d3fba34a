"""Whether the 2D boxes of an annotation file agree with the projections of its 3D boxes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import permutations
from typing import Any

import numpy as np

from .projection import areas, box_in_image, corners_of_yaw_box

# Rounding and tilted cameras leave more than this to a right box; a bottom centre taken for the
# middle leaves less.
MIN_OVERLAP = 0.7
# px; of boxes at the image border there may be so little to see that the tilt decides about all of
# it.
SLIVER = 12.0
# A wrong order of right sizes fits worse by more than this, unless the sizes are nearly equal.
_CLEARLY_BETTER = 0.15
_COMPARED_BOXES = 50


def overlap(box: np.ndarray, xywh: Sequence[float], image: Mapping[str, Any]) -> float:
    """Intersection over union of the rectangle around the projected box, and the annotated one.

    Args:
        box: (7,) `bbox_cam3d`.
        xywh: `bbox`, px.
        image: record with `cam_intrinsic`, `width` and `height`.
    """
    shown = box_in_image(
        corners_of_yaw_box(box), np.array(image["cam_intrinsic"]), image["width"], image["height"]
    )
    if shown is None:
        return 0.0
    given = np.array([xywh[0], xywh[1], xywh[0] + xywh[2], xywh[1] + xywh[3]])
    low = np.maximum(shown[:2], given[:2])
    high = np.minimum(shown[2:], given[2:])
    common = float(np.prod(np.clip(high - low, 0, None)))
    return common / max(float(areas(shown) + areas(given)) - common, 1e-9)


def find_size_order(pairs: Sequence[tuple[Mapping[str, Any], Mapping[str, Any]]]) -> str | None:
    """The order of the sizes in `bbox_cam3d`, such as "w, l, h" in files of mmdet3d before 1.0, if
    `bbox` shows that it is not l, h, w; None otherwise, also where nothing can be compared.

    Args:
        pairs: annotations that have a `bbox`, each with its image, whose size is known.
    """
    clear = [pair for pair in pairs if min(pair[0]["bbox"][2:]) >= SLIVER] or pairs
    if not clear:
        return None
    chosen = np.linspace(0, len(clear) - 1, min(len(clear), _COMPARED_BOXES)).round().astype(int)
    compared = [clear[index] for index in chosen]
    means = {order: _mean_overlap(compared, order) for order in permutations("lhw")}
    best = max(means, key=lambda order: means[order])
    as_it_is = _mean_overlap(compared, ("l", "h", "w"), yaws=(1.0,))
    if best == ("l", "h", "w") or means[best] < as_it_is + _CLEARLY_BETTER:
        return None
    return ", ".join(best)


def _mean_overlap(
    pairs: Sequence[tuple[Mapping, Mapping]],
    order: tuple[str, ...],
    yaws: tuple[float, ...] = (1.0, -1.0),
) -> float:
    """The best of either direction of rotation: files with another order have another yaw."""
    best = []
    for annotation, image in pairs:
        box = annotation["bbox_cam3d"]
        sizes = [box[3 + order.index(side)] for side in "lhw"]
        turned = [np.array([*box[:3], *sizes, sign * box[6]]) for sign in yaws]
        best.append(max(overlap(each, annotation["bbox"], image) for each in turned))
    return float(np.mean(best))

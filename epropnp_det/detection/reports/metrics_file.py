"""Numbers on top of the report, from the metrics.json of `epropnp test`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from epropnp_det.drawing.html_page import Number
from epropnp_det.engine.outside_files import read_json
from epropnp_det.errors import UserError

_MEANINGS = dict(
    NDS="nuScenes detection score: 1 is perfect",
    mAP="mean average precision: 1 is perfect",
    mATE="m, error of the position on the ground",
    mASE="1 - overlap of the sizes",
    mAOE="rad, error of the heading",
    mAVE="m/s, error of the velocity",
    mAAE="1 - accuracy of the attribute",
)
_DISTANCE_MEANINGS = {f"distance_{n}": text for n, text in _MEANINGS.items() if n != "NDS"}
_IOU_MEANINGS = {
    f"iou_{kind}_mAP_0.5": f"mean average precision at an overlap of 0.5 {where}: 1 is perfect"
    for kind, where in (("3d", "in 3D"), ("bev", "from above"))
}


def load_metrics(metrics_file: Path) -> tuple[Number, ...]:
    """The means from the metrics.json of tools/test.py: NDS, mAP and the five errors of the
    official metrics, else mAP and errors by distance, else those by overlap. Means that are not
    defined are left out.

    Raises:
        UserError: the file is missing or another one.
    """
    try:
        metrics = read_json(metrics_file, "metrics", "name another file")
        if "NDS" in metrics:
            return _numbers(_MEANINGS, {name: metrics[name] for name in _MEANINGS})
        means = _DISTANCE_MEANINGS if "distance_mAP" in metrics else _IOU_MEANINGS
        known = {name: metrics[name] for name in means if metrics.get(name) is not None}
        if not known:
            raise ValueError("it has no mAP")
        return _numbers(means, known)
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise UserError(
            f"{metrics_file} is no metrics.json of tools/test.py ({type(error).__name__}: {error})"
        ) from error


def _numbers(meanings: Mapping[str, str], values: Mapping[str, float]) -> tuple[Number, ...]:
    return tuple(Number(name, f"{value:.3f}", meanings[name]) for name, value in values.items())

"""The benchmark of the object-pose network measures a training step and a test."""

from __future__ import annotations

import re
from pathlib import Path

CONFIG = Path(__file__).parents[2] / "configs/object_pose/_base_/models/resnet18.py"


def test_times_and_shares_of_a_small_model(call):
    options = ("--batch", 2, "--objects", 2, "--repeats", 1)
    code, out, _ = call("benchmark_object_pose", CONFIG, *options)
    rows = re.findall(r"^(.+?) +([\d.]+) +losses and layer +([\d.]+) +share +([\d.]+)%", out, re.M)
    assert code == 0 and [row[0] for row in rows] == ["training step of 2", "test of 2"]
    assert re.search(r"^image to poses +[\d.]+$", out, re.M)
    for _, total, layer, share in rows:
        assert abs(float(layer) / float(total) - float(share) / 100) < 0.01

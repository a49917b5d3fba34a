"""The benchmark of whole images times the detector, and the way from an image to its poses."""

from __future__ import annotations

import re

from epropnp_det.console.pose import DEMO_IMAGE, DEMO_INTRINSICS


def test_times_of_the_demo_image(call):
    options = ("--intrinsics", DEMO_INTRINSICS, "--repeats", 1, "--device", "cpu")
    code, out, _ = call("benchmark_pipeline", DEMO_IMAGE, *options)
    assert code == 0 and re.match(rf"{DEMO_IMAGE}: [1-9]\d* objects, \d+ thread\(s\), ms\n", out)
    rows = re.findall(r"^(.+?) +(\d+)   (\d+) to (\d+)$", out, re.M)
    assert [row[0] for row in rows] == ["detector", "image to poses"]
    for _, median, least, greatest in rows:
        assert 0 < int(least) <= int(median) <= int(greatest)


def test_intrinsics_are_needed(call):
    code, _, error = call("benchmark_pipeline", DEMO_IMAGE)
    assert code != 0 and "give --intrinsics" in error

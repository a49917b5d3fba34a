"""The page of pictures is self-contained: it holds every picture, shows every number, and escapes
texts.
"""

from __future__ import annotations

import base64
import json
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from epropnp_det import compat  # noqa: F401  before mmdet3d
from epropnp_det.detection.boxes import Boxes3D
from epropnp_det.detection.data.nuscenes_classes import CLASSES
from epropnp_det.detection.reports.panels import (
    close_up,
    heading_spread,
    image_panel,
    load_metrics,
    poster,
)
from epropnp_det.drawing.html_page import Number, Page, write_page
from epropnp_det.errors import UserError
from tests.example_results import MATRIX, SPREAD, synthetic_result

METRICS = dict(NDS=0.41234, mAP=0.3, mATE=0.5, mASE=0.2, mAOE=0.7, mAVE=0.9, mAAE=None)


class Reader(HTMLParser):
    """Collects pictures, words, and whatever a page would fetch from elsewhere."""

    def __init__(self) -> None:
        super().__init__()
        self.pictures: list[np.ndarray] = []
        self.links: list[str] = []
        self.words = ""

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        values = dict(attributes)
        if tag == "img":
            head, data = values["src"].split(",")
            assert head in ("data:image/jpeg;base64", "data:image/png;base64") and values["alt"]
            self.pictures.append(
                cv2.imdecode(np.frombuffer(base64.b64decode(data), np.uint8), cv2.IMREAD_COLOR)
            )
        self.links += [values[name] for name in ("href", "src") if tag != "img" and name in values]

    def handle_data(self, data: str) -> None:
        self.words += data


def read(path: Path) -> Reader:
    reader = Reader()
    reader.feed(path.read_text())
    return reader


@pytest.fixture(scope="module")
def panel():
    return image_panel(synthetic_result(8), CLASSES)


def test_everything_is_inside_the_page(panel, tmp_path: Path) -> None:
    (tmp_path / "metrics.json").write_text(json.dumps(METRICS | dict(mAAE=0.25)))
    numbers = load_metrics(tmp_path / "metrics.json")
    write_page(
        tmp_path / "page.html",
        Page("Title", "Lead.", (panel,), CLASSES, numbers, ("python a.py <x>",)),
    )
    page = read(tmp_path / "page.html")
    assert page.links == []
    assert len(page.pictures) == 2 + 2 * 6 and all(
        picture is not None and picture.ndim == 3 for picture in page.pictures
    )
    assert all(
        text in page.words
        for text in (
            "0.412",
            "mAAE",
            "0.250",
            "python a.py <x>",
            "cam front, made-up",
            "car, score 0.90",
        )
    )
    assert all(name.replace("_", " ") in page.words for name in CLASSES)


def test_names_of_the_classes_are_an_argument(tmp_path: Path) -> None:
    names = tuple(f"kind_{index}" for index in range(10))
    panel = image_panel(synthetic_result(3), names)
    assert [each.title.split(",")[0] for each in panel.objects] == ["kind 0", "kind 1", "kind 2"]
    write_page(tmp_path / "page.html", Page("Title", "Lead.", (panel,), names))
    words = read(tmp_path / "page.html").words
    assert all(f"kind {index}" in words for index in range(10)) and "car" not in words


def test_a_page_without_objects_says_so(tmp_path: Path) -> None:
    write_page(
        tmp_path / "page.html",
        Page("Title", "Lead.", (image_panel(synthetic_result(0), CLASSES),), CLASSES),
    )
    page = read(tmp_path / "page.html")
    assert "Nothing found above the score threshold." in page.words and len(page.pictures) == 2


def test_an_object_without_a_distribution_is_drawn_but_not_shown_close_up() -> None:
    result = synthetic_result(3)
    weight = result.detections.sample_weight.clone()
    weight[0] = torch.nan
    panel = image_panel(
        replace(result, detections=replace(result.detections, sample_weight=weight)), CLASSES
    )
    assert [each.title.split(",")[0] for each in panel.objects] == ["truck", "trailer"]


def test_spreads_in_the_text_are_those_of_the_samples(panel) -> None:
    yaw = 3.0 + np.random.default_rng(0).normal(size=20000) * 0.15
    assert heading_spread(yaw, np.ones(20000), 3.0 - 2 * np.pi) == pytest.approx(
        np.degrees(0.15), rel=0.03
    )
    depth = [float(each.text.split("± ")[1].split(" m")[0]) for each in panel.objects]
    assert np.mean(depth) == pytest.approx(
        float(SPREAD[2]), rel=0.4
    )  # the best depth of a panel is itself off by so much


def test_poster_has_the_image_the_scene_from_above_and_the_objects(panel) -> None:
    picture = poster(panel)
    assert np.array_equal(
        picture[: panel.picture.shape[0], : panel.picture.shape[1]], panel.picture
    )
    assert picture.shape[0] > panel.picture.shape[0] and picture.shape[1] > panel.picture.shape[1]
    empty = image_panel(synthetic_result(0), CLASSES)
    assert poster(empty).shape[0] == empty.picture.shape[0]


def test_close_up_has_the_object_in_the_middle() -> None:
    pixels = np.full((900, 1600, 3), 90, np.uint8)
    box = Boxes3D(
        torch.tensor([[3.0, 1.0, 20.0, 0.4]]), torch.tensor([[4.0, 1.5, 2.0]]), torch.tensor([0])
    )
    view = close_up(pixels, MATRIX, box)
    rows, columns = np.nonzero((view != 90).any(axis=2))
    height, width = view.shape[:2]
    for low, high, size in (
        (rows.min(), rows.max(), height),
        (columns.min(), columns.max(), width),
    ):
        assert low > 0 and high < size - 1
        assert abs((low + high) / 2 - size / 2) < 3
    assert columns.max() - columns.min() > 0.6 * width


def test_metrics_of_own_data_are_shown_without_those_that_are_not_defined(tmp_path: Path) -> None:
    path = tmp_path / "metrics.json"
    path.write_text(json.dumps(dict(distance_mAP=0.5, distance_mAVE=None, distance_car_AP=0.5)))
    assert [(each.name, each.value) for each in load_metrics(path)] == [("distance_mAP", "0.500")]
    path.write_text(json.dumps({"iou_3d_mAP_0.5": 0.25, "iou_3d_mAP_0.7": 0.0}))
    assert [each.name for each in load_metrics(path)] == ["iou_3d_mAP_0.5"]


@pytest.mark.parametrize("content", [None, "{", "[]", '{"NDS": 1}', json.dumps(METRICS)])
def test_what_is_no_metrics_file_is_refused(tmp_path: Path, content: str | None) -> None:
    if content is not None:
        (tmp_path / "metrics.json").write_text(content)
    with pytest.raises(UserError, match=r"metrics.json is no metrics.json of tools/test.py"):
        load_metrics(tmp_path / "metrics.json")


class Elements(HTMLParser):
    """Names of all elements, and names of all their attributes."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list) -> None:
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}


def test_names_from_files_bring_no_elements_into_the_page(tmp_path: Path) -> None:
    hostile = "\"><script>alert(1)</script><img src=x onerror='alert(2)' "
    names = (hostile, *CLASSES[1:])
    panels = (image_panel(synthetic_result(8), names), image_panel(synthetic_result(8), CLASSES))
    pages = {}
    for name, panel, text, classes in (
        ("hostile", panels[0], hostile, names),
        ("good", panels[1], "good", CLASSES),
    ):
        panel = replace(panel, title=text)
        numbers = (Number(text, text, text),)
        page = Page(text, text, (panel,), classes, numbers, (text,))
        write_page(tmp_path / name, page)
        pages[name] = Elements()
        pages[name].feed((tmp_path / name).read_text())
    assert pages["hostile"].tags == pages["good"].tags
    assert pages["hostile"].attributes == pages["good"].attributes
    assert "script" not in pages["hostile"].tags and "onerror" not in pages["hostile"].attributes

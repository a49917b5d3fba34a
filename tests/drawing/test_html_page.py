"""The report is one file with all numbers, and texts in it stay texts."""

from __future__ import annotations

import base64
import json
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import cv2
import numpy as np
import pytest

from epropnp_det.drawing.html_page import Number, encode_picture, page_text
from tests.example_results import HOSTILE_NAME, example_page

DATA = re.compile(r'<script type="application/json" id="data">(.*?)</script>', re.DOTALL)


def written(tmp_path: Path, page) -> tuple[str, dict]:
    """The text of the file, and the data in it."""
    (tmp_path / "page.html").write_text(page_text(page), encoding="utf-8")
    text = (tmp_path / "page.html").read_text()
    (data,) = DATA.findall(text)
    return text, json.loads(data)


def unpacked(packed: dict) -> np.ndarray:
    integers = np.frombuffer(base64.b64decode(packed["data"]), f"<u{packed['bits'] // 8}")
    return packed["low"] + packed["step"] * integers


def test_nothing_is_fetched_from_elsewhere(tmp_path: Path) -> None:
    text, _ = written(tmp_path, example_page(8))
    assert "default-src 'none'" in text
    assert not re.search(r"(src|href)=\"?http|@import|url\(", text)


def test_every_number_is_in_the_page(tmp_path: Path) -> None:
    page = example_page(8)
    _, data = written(tmp_path, page)
    assert data["numbers"] == [vars(number) for number in page.numbers]
    (image,) = data["images"]
    for shown, found in zip(page.images[0].detections, image["detections"], strict=True):
        assert found["score"] == pytest.approx(shown.score, abs=1e-4)
        np.testing.assert_allclose(found["corners"], shown.corners, atol=5e-4)
        points = found["points"]
        for name, bits in (("x2d", 16), ("coordinates", 8), ("weight", 8)):
            values = getattr(shown.points, name).ravel()
            half_step = 0.5001 * np.ptp(values) / (2**bits - 1)
            np.testing.assert_allclose(unpacked(points[name]), values, atol=half_step)


def test_columns_keep_their_order(tmp_path: Path) -> None:
    page = example_page(3)
    _, data = written(tmp_path, page)
    assert list(data["classes"][0]["numbers"]) == list(page.classes[0].numbers)


def test_samples_have_the_spread_of_the_distribution(tmp_path: Path) -> None:
    page = example_page(1)
    _, data = written(tmp_path, page)
    drawn = unpacked(data["images"][0]["detections"][0]["samples"][1])
    shown = page.images[0].detections[0]
    assert drawn.mean() == pytest.approx(shown.sample_pose[:, 2].mean(), abs=0.1)
    assert drawn.std() == pytest.approx(shown.sample_pose[:, 2].std(), rel=0.2)


class Elements(HTMLParser):
    """Names of all elements, and names of all their attributes."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list) -> None:
        self.tags.append(tag)
        self.attributes |= {name for name, _ in attrs}


def test_names_from_files_bring_no_elements_into_the_page(tmp_path: Path) -> None:
    good = example_page(3)
    number = Number(HOSTILE_NAME, HOSTILE_NAME, HOSTILE_NAME)
    hostile = replace(
        good,
        title=HOSTILE_NAME,
        lead=HOSTILE_NAME,
        class_names=(HOSTILE_NAME, *good.class_names[1:]),
        images=(replace(good.images[0], title=HOSTILE_NAME),),
        numbers=(number,),
        classes=(replace(good.classes[0], name=HOSTILE_NAME),),
        commands=(HOSTILE_NAME,),
    )
    pages = []
    for page in (good, hostile):
        text, _ = written(tmp_path, page)
        pages.append(Elements())
        pages[-1].feed(text)
    assert pages[0].tags == pages[1].tags and pages[0].attributes == pages[1].attributes
    assert "onerror" not in pages[1].attributes


def test_texts_are_data(tmp_path: Path) -> None:
    page = example_page(3)
    names = (HOSTILE_NAME, *page.class_names[1:])
    text, data = written(tmp_path, replace(page, class_names=names, title=HOSTILE_NAME))
    assert data["names"][0] == HOSTILE_NAME
    assert HOSTILE_NAME not in text and text.count("</script>") == 2


def test_unknown_numbers_are_null(tmp_path: Path) -> None:
    page = example_page(1)
    unknown = replace(page.classes[0], numbers=dict(velocity=float("nan")))
    _, data = written(tmp_path, replace(page, classes=(unknown,)))
    assert data["classes"][0]["numbers"] == dict(velocity=None)


def test_pictures_fit_into_their_share_of_the_page() -> None:
    noise = np.random.default_rng(0).integers(0, 256, (225, 400, 3), dtype=np.uint8)
    smooth = cv2.GaussianBlur(noise, (0, 0), 9)
    whole = encode_picture(smooth, 1e6)
    assert cv2.imdecode(np.frombuffer(whole, np.uint8), cv2.IMREAD_COLOR).shape == (225, 400, 3)
    best = len(encode_picture(noise, 1e6))
    assert len(encode_picture(noise, 0.9 * best)) <= 0.9 * best
    assert 1 < len(encode_picture(noise, 1)) < best  # the smallest, whatever the limit

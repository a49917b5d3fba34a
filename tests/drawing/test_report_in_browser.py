"""The report answers clicks: filters, sorting, close-ups and the view from above, in a headless
Chromium.

EPROPNP_REPORT names another report to take screenshots of, EPROPNP_SCREENSHOTS the folder for them.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from epropnp_det import compat  # noqa: F401  before mmdet3d
from epropnp_det.drawing.html_page import page_text
from tests.browser import browser
from tests.example_results import HOSTILE_NAME, example_page

OBJECTS = 8
SMALLEST_TEXT = 13  # px on the screen
SCREEN = dict(width=1400, height=1000)


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    with browser() as found:
        yield found


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("report") / "page.html"
    path.write_text(page_text(example_page(OBJECTS)), encoding="utf-8")
    return path


@pytest.fixture
def report(chromium: Any, path: Path) -> Iterator[Any]:
    """The page in the browser; faults of its script fail the test."""
    page = chromium.new_page(viewport=SCREEN)
    faults: list[Any] = []
    page.on("pageerror", lambda error: faults.append(error))
    page.on("console", lambda message: message.type == "error" and faults.append(message.text))
    page.goto(path.as_uri())
    yield page
    page.close()
    assert faults == []


def move_slider(page: Any, value: float) -> None:
    page.locator("#score").fill(str(value))


def kinds(page: Any) -> dict[str, int]:
    return {
        kind: page.locator(f"#list > [data-kind={kind}]").count()
        for kind in ("right", "false", "missed")
    }


def test_the_slider_decides_which_boxes_are_found(report: Any) -> None:
    # Scores fall from 0.9 to 0.3 in equal steps; the last one belongs to no true box.
    assert kinds(report) == dict(right=OBJECTS - 1, false=1, missed=1)
    move_slider(report, 0.5)
    assert report.locator("#score-value").inner_text() == "0.50"
    assert kinds(report) == dict(right=5, false=0, missed=3)
    assert report.locator("#count").inner_text() == "5 found, 0 false alarms, 3 missed"


def test_classes_and_outcomes_are_filters(report: Any) -> None:
    report.select_option("#outcome", "missed")
    assert kinds(report) == dict(right=0, false=0, missed=1)
    report.select_option("#outcome", "all")
    report.locator("#table tbody tr", has_text="truck").click()
    assert kinds(report) == dict(right=1, false=0, missed=0)
    assert "truck" in report.locator(".object").inner_text()
    assert report.locator("#curve-class option:checked").inner_text() == "truck"


def test_objects_are_sorted_by_their_errors(report: Any) -> None:
    report.select_option("#sort", "position")
    texts = report.locator(".object[data-kind=right]").all_inner_texts()
    errors = [float(text.split("; ")[1].split(" m")[0]) for text in texts]
    assert errors == sorted(errors, reverse=True) and len(set(errors)) > 1


def test_a_close_up_has_points_and_densities(report: Any) -> None:
    report.locator(".object").first.click()
    dialog = report.locator("#close-up")
    assert dialog.is_visible()
    assert dialog.locator(".heading").count() == 1 and dialog.locator(".depth").count() == 1
    assert dialog.locator(".points ellipse").count() == 0
    for kind in ("weights", "coordinates"):
        dialog.get_by_role("button", name=kind).click()
        assert dialog.locator(".points ellipse").count() == 16
    title = dialog.locator("h2").inner_text()
    report.keyboard.press("ArrowRight")
    assert dialog.locator("h2").inner_text() != title
    report.keyboard.press("Escape")
    assert not dialog.is_visible()


def test_images_have_all_boxes_and_answer_the_pointer(report: Any) -> None:
    report.locator("#view-images").click()
    card = report.locator("article").first
    for kind, count in (("right", OBJECTS - 1), ("false", 1), ("missed", 1)):
        assert card.locator(f".photo .box.{kind}").count() == count
        assert card.locator(f".plan .box.{kind}").count() == count
    card.locator(".plan .box.right").last.dispatch_event("pointerenter")
    assert "found" in card.locator("output").inner_text()
    assert card.locator(".photo g.active").count() == 1
    assert card.locator(".plan g.active").count() == 1
    move_slider(report, 0.5)
    assert report.locator("article").first.locator(".photo .box.right").count() == 5


def test_the_view_from_above_zooms(report: Any) -> None:
    report.locator("#view-images").click()
    plan = report.locator(".plan").first
    home = plan.get_attribute("viewBox")
    width = float(home.split()[2])
    report.get_by_role("button", name="zoom in").first.click()
    assert float(plan.get_attribute("viewBox").split()[2]) == pytest.approx(width / 1.5)
    before = plan.get_attribute("viewBox")
    place = plan.bounding_box()
    middle = (place["x"] + place["width"] / 2, place["y"] + place["height"] / 2)
    report.mouse.move(*middle)
    report.mouse.down()
    report.mouse.move(middle[0] + 40, middle[1])
    report.mouse.up()
    assert plan.get_attribute("viewBox") != before
    plan.dblclick(position=dict(x=5, y=5))
    assert plan.get_attribute("viewBox") == home


def test_text_is_legible_at_its_own_size(report: Any) -> None:
    """Drawn text as well: its size on the screen counts, not that in units of its picture."""
    report.locator("#view-images").click()
    report.wait_for_function("document.querySelector('.plan').style.fontSize !== ''")
    report.locator(".plan .box").first.dispatch_event("click")
    sizes = report.evaluate(
        """[...document.querySelectorAll('text')].map(text =>
            parseFloat(getComputedStyle(text).fontSize) * text.getScreenCTM().a
            || Infinity)"""
    )
    plain = report.evaluate(
        """[...document.querySelectorAll('p, td, span, label, button, output')]
            .map(each => parseFloat(getComputedStyle(each).fontSize))"""
    )
    horizontal = [size for size in sizes if size != float("inf")]
    assert min(horizontal) > SMALLEST_TEXT and min(plain) > SMALLEST_TEXT


def test_the_curve_answers_the_pointer(report: Any) -> None:
    report.locator("#curve svg").hover()
    assert "recall" in report.locator("#curve-value").inner_text()


def test_names_of_classes_run_no_script(chromium: Any, tmp_path: Path) -> None:
    example = example_page(3)
    names = (HOSTILE_NAME, *example.class_names[1:])
    classes = (replace(example.classes[0], name=HOSTILE_NAME), *example.classes[1:])
    shown = replace(example, class_names=names, classes=classes, title=HOSTILE_NAME)
    (tmp_path / "page.html").write_text(page_text(shown), encoding="utf-8")
    page = chromium.new_page(viewport=SCREEN)
    page.goto((tmp_path / "page.html").as_uri())
    page.locator(".object").first.click()
    assert page.title() == HOSTILE_NAME
    assert page.locator("h1").inner_text() == HOSTILE_NAME
    assert page.locator("img").count() == 0 and page.locator("script").count() == 2
    page.close()


def test_a_page_without_objects_says_so(chromium: Any, tmp_path: Path) -> None:
    page = replace(example_page(1), images=(), classes=())
    (tmp_path / "page.html").write_text(page_text(page), encoding="utf-8")
    page = chromium.new_page(viewport=SCREEN)
    page.goto((tmp_path / "page.html").as_uri())
    assert "Nothing has this score" in page.locator("#list").inner_text()
    page.close()


def test_screenshots(chromium: Any, path: Path, tmp_path: Path) -> None:
    """The list, an image and a close-up; docs/images has those of a real test run."""
    shown = Path(os.environ.get("EPROPNP_REPORT", path)).resolve()
    folder = Path(os.environ.get("EPROPNP_SCREENSHOTS", tmp_path))
    page = chromium.new_page(viewport=SCREEN)
    page.goto(shown.as_uri())
    page.locator("#filters").evaluate("each => each.scrollIntoView()")
    save(page, folder / "report_objects.jpg")
    page.locator(".object").first.click()
    page.get_by_role("button", name="weights").click()
    save(page, folder / "report_close_up.jpg")
    page.keyboard.press("Escape")
    page.locator("#view-images").click()
    page.locator("article").first.evaluate("each => each.scrollIntoView({block: 'end'})")
    save(page, folder / "report_image.jpg")
    page.close()


def save(page: Any, path: Path) -> None:
    page.wait_for_timeout(500)  # pictures are decoded
    page.screenshot(path=path, type="jpeg", quality=80)
    assert path.stat().st_size > 10_000

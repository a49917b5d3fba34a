"""Annotation files written in parts: the bytes of one whole, whatever happened meanwhile."""

from __future__ import annotations

import fcntl
import os
from collections import Counter
from multiprocessing import get_context
from pathlib import Path

import pytest

from epropnp_det.detection.data import annotation_file
from epropnp_det.detection.data.part_files import Counts, parts_of
from epropnp_det.errors import UserError

INFO = dict(schema="epropnp_det/1", split="mini_val")
CATEGORIES = [dict(id=0, name="car")]
IMAGES = [dict(id=f"image {i}", file_name='a "b"\n.jpg', values=[0.1, 1e-17, i]) for i in range(7)]
BOXES = [dict(image_id=f"image {i % 7}", yaw=i / 3, known=True, name="é") for i in range(11)]
# Images, annotations and what was left out of each part; one part has nothing.
PARTS = [
    (IMAGES[:3], BOXES[:5], dict(animal=2)),
    ([], [], {}),
    (IMAGES[3:4], [], dict(debris=1)),
    (IMAGES[4:], BOXES[5:], dict(animal=1)),
]
COUNTS = Counts(len(IMAGES), len(BOXES), Counter(animal=3, debris=1))


def write(target: Path, origin: object = 0, only: range = range(4)) -> set[int]:
    """Writes the parts that are missing and, when all are there, the file; returns the parts that
    were there.
    """
    with parts_of(target, dict(origin=origin)) as folder:
        found = folder.finished(len(PARTS))
        for index in set(only) - found:
            folder.write(index, *PARTS[index])
        if folder.finished(len(PARTS)) == set(range(len(PARTS))):
            assert folder.join(len(PARTS), INFO, CATEGORIES) == COUNTS
    return found


@pytest.fixture
def whole(tmp_path: Path) -> bytes:
    boxes = [dict(box, id=index) for index, box in enumerate(BOXES)]
    data = dict(info=INFO, images=IMAGES, annotations=boxes, categories=CATEGORIES)
    annotation_file.write_json(data, tmp_path / "whole.json")
    return (tmp_path / "whole.json").read_bytes()


@pytest.fixture
def target(tmp_path: Path) -> Path:
    return tmp_path / "out" / "file.json"


def names(target: Path) -> list[str]:
    return sorted(path.name for path in target.parent.iterdir())


def test_parts_become_the_bytes_of_one_whole_and_leave_nothing_else(target: Path, whole: bytes):
    assert write(target) == set()
    assert target.read_bytes() == whole
    assert names(target) == ["file.json"]


def test_a_run_resumes_with_the_parts_that_are_complete(target: Path, whole: bytes):
    write(target, only=range(1, 3))
    half = target.parent / ".file.json.parts" / ".000003.jsonl.999"
    half.write_text("half a")
    assert write(target) == {1, 2}
    assert target.read_bytes() == whole
    assert names(target) == ["file.json"]


def test_parts_of_another_origin_are_not_used(target: Path, whole: bytes):
    write(target, origin="other tables", only=range(3))
    assert write(target) == set()
    assert target.read_bytes() == whole


def test_the_old_file_stays_until_the_new_one_is_complete(target: Path, whole: bytes):
    write(target)
    write(target, origin=1, only=range(2))
    assert target.read_bytes() == whole


def test_a_number_that_json_does_not_have_leaves_no_part(target: Path):
    with parts_of(target, {}) as folder:
        with pytest.raises(ValueError, match="not JSON compliant"):
            folder.write(0, [dict(width=float("nan"))], [], {})
        assert folder.finished(1) == set()
        assert not list(folder.path.glob("*.jsonl*"))


def hold_lock(path: Path, ready, done) -> None:
    with open(path, "w") as file:
        fcntl.lockf(file, fcntl.LOCK_EX)
        ready.set()
        done.wait(30)


def test_two_runs_do_not_write_one_file(target: Path):
    write(target, only=range(1))
    context = get_context("fork")
    ready = context.Event()
    done = context.Event()
    lock = target.parent / ".file.json.parts" / "lock"
    other = context.Process(target=hold_lock, args=(lock, ready, done))
    other.start()
    ready.wait(30)
    try:
        with pytest.raises(UserError, match=r"another run is writing .*file\.json"):
            write(target)
    finally:
        done.set()
        other.join()
    assert write(target) == {0}


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path):
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match="Not a directory"):
        write(tmp_path / "file" / "out.json")


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full")
def test_a_full_disk_is_one_line(target: Path):
    with pytest.raises(UserError, match="No space left"), parts_of(target, {}) as folder:
        (folder.path / f".000000.jsonl.{os.getpid()}").symlink_to("/dev/full")
        folder.write(0, IMAGES, BOXES, {})

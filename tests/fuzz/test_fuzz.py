"""Whatever is in a file, its reader reads it or refuses it in one line that names the place.

`EPROPNP_FUZZ_SECONDS` is the time for each reader; `make fuzz` takes ten minutes. An input that
fails is kept in output/fuzz; a copy in tests/data/fuzz makes it a test for ever.
"""

from __future__ import annotations

import hashlib
import itertools
import os
import time
import traceback
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, given, seed, settings

from .parsers import PARSERS, Parser, attempt

ROOT = Path(__file__).parents[2]
CORPUS = ROOT / "tests" / "data" / "fuzz"
FOUND = ROOT / "output" / "fuzz"
SECONDS = float(os.environ.get("EPROPNP_FUZZ_SECONDS", "1"))
FIRST_SEED = int(os.environ.get("EPROPNP_FUZZ_SEED", "0"))
# READER/LABEL~NAME, where NAME is the file that has the content, its slashes written as +.
KNOWN = sorted(path for path in CORPUS.glob("*/*") if path.is_file())


def written(parser: Parser, folder: Path) -> Path:
    """The folder with all files of a reader, inside of one that it must not write to."""
    root = folder / "inside" / "data"
    for name in parser.files:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(parser.content(name))
    return root


def keep(name: str, file: str, content: bytes) -> Path:
    """Writes an input to the folder of failures; returns its path."""
    digest = hashlib.sha256(content).hexdigest()[:8]
    kept = FOUND / name / f"{digest}~{file.replace('/', '+')}"
    kept.parent.mkdir(parents=True, exist_ok=True)
    kept.write_bytes(content)
    return kept


@pytest.mark.parametrize("name", PARSERS)
def test_right_files_are_read(name: str, tmp_path: Path) -> None:
    root = written(PARSERS[name], tmp_path)
    assert PARSERS[name].read(root) == []


@pytest.mark.parametrize("path", KNOWN, ids=[f"{path.parent.name}, {path.name}" for path in KNOWN])
def test_what_was_found_stays_in_one_line(path: Path, tmp_path: Path) -> None:
    parser = PARSERS[path.parent.name]
    root = written(parser, tmp_path)
    name = path.name.rpartition("~")[2].replace("+", "/")
    attempt(parser, root, name, path.read_bytes())


@pytest.mark.parametrize("name", PARSERS)
def test_a_reader_ends_in_one_line(name: str, tmp_path: Path) -> None:
    parser = PARSERS[name]
    root = written(parser, tmp_path)
    end = time.monotonic() + SECONDS
    latest = ("", b"")
    failed = False
    count = 0
    for number in itertools.count(FIRST_SEED):
        if time.monotonic() > end:
            break

        @seed(number)
        @settings(
            max_examples=100,
            deadline=None,
            database=None,
            report_multiple_bugs=False,
            suppress_health_check=list(HealthCheck),
            phases=(Phase.generate, Phase.shrink),
        )
        @given(changed=parser.inputs())
        def fuzz(changed: tuple[str, bytes]) -> None:
            nonlocal latest, failed, count
            if time.monotonic() > end and not failed:
                return
            latest = changed
            count += 1
            try:
                attempt(parser, root, *changed)
            except Exception:
                failed = True
                raise

        try:
            fuzz()
        except Exception as error:
            text = "".join(traceback.format_exception(error, chain=False))
            pytest.fail(f"{keep(name, *latest)} is kept, and fails:\n{text[-3000:]}", pytrace=False)
    print(f"{name}: {count} inputs in {SECONDS:g} s")

"""Files that others wrote: regular ones alone, of any beginning, with the place of a mistake."""

from __future__ import annotations

import json
import math
import os
from pathlib import Path

import pytest

from epropnp_det.engine.outside_files import (
    MAX_DEPTH,
    is_nested_deeply,
    parse_json,
    read_bytes,
    read_json,
    read_text,
)
from epropnp_det.errors import UserError


def read(path: Path | str) -> object:
    return read_json(path, "table", "copy it again")


def test_a_pipe_does_not_block_and_a_device_does_not_fill_the_memory(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "link").symlink_to(tmp_path / "pipe")
    for path in (tmp_path / "pipe", tmp_path / "link", "/dev/zero", "/dev/stdin"):
        with pytest.raises(UserError, match="is no regular file but a pipe or a device; copy it"):
            read(path)
    with pytest.raises(UserError, match="is no regular file but a folder"):
        read(tmp_path)


@pytest.mark.parametrize("name", ["missing", "a" * 5000, "a\0b", "\ud800"])
def test_a_name_that_is_no_file_is_one_line(tmp_path: Path, name: str) -> None:
    with pytest.raises(UserError, match=r"table .* cannot be read: .*; copy it again"):
        read(str(tmp_path / name))


def test_a_large_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "large"
    with open(path, "wb") as file:
        file.truncate(10**12)
    with pytest.raises(UserError, match="has 1000000000000 bytes; at most"):
        read_bytes(path, "table", "copy it again")


def test_a_byte_order_mark_is_no_mistake(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_text('{"a": "é"}', encoding="utf-8-sig")
    assert read(path) == {"a": "é"}
    assert read_text(path, "table", "") == '{"a": "é"}'


@pytest.mark.parametrize(
    "content", [b"", b" \n", b"\0", b"{", b"\xff\xfe{\0", b"a\xe9", b"{'a': 1}"]
)
def test_other_content_names_the_file(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.json").write_bytes(content)
    with pytest.raises(UserError, match=r"a\.json is not JSON \(.*\); copy it again") as error:
        read(tmp_path / "a.json")
    assert "\n" not in str(error.value)


def test_numbers_without_a_float_are_infinite_and_not_a_number_is_null() -> None:
    content = f"[NaN, Infinity, -Infinity, 1e999, {'9' * 5000}, -{'9' * 400}, 12345678901234567890]"
    expected = [None, math.inf, -math.inf, math.inf, math.inf, -math.inf, 12345678901234567890]
    assert parse_json(content, "a", "") == expected


@pytest.mark.parametrize("depth", [MAX_DEPTH + 1, 500, 5000, 200_000])
def test_brackets_in_brackets_have_a_place(depth: int) -> None:
    text = '{"a": "[[[[\\"[[[",\n "b": ' + "[" * depth + "]" * depth + "}"
    try:
        assert is_nested_deeply(parse_json(text, "table a", "copy it again"))
    except UserError as error:
        assert f"line 2, column {6 + MAX_DEPTH} is in more than" in str(error)


def test_depth_counts_lists_and_dicts() -> None:
    value: object = 0
    for depth in range(1, MAX_DEPTH + 3):
        value = [value] if depth % 2 else {"a": value}
        assert is_nested_deeply(value) == (depth > MAX_DEPTH)
    assert json.loads(json.dumps(value)) == value

"""Files with something wrong in them, as strategies of hypothesis."""

from __future__ import annotations

import copy
import json
import math
import re
from collections.abc import Iterator, Sequence
from typing import Any

from hypothesis import strategies as st

REMOVED = "@removed@"
LONG = "@a number of 5000 digits@"
DEEP = "@2000 brackets@"
VALUES: tuple[Any, ...] = (
    None,
    True,
    False,
    -1,
    0,
    1,
    7,
    0.5,
    1e-300,
    1e30,
    -1e30,
    1e308,
    10**18,
    2**63,
    10**400,
    LONG,
    DEEP,
    math.nan,
    math.inf,
    -math.inf,
    "",
    "0",
    "64.5",
    "é\n\u2028",
    "\ud800",
    "\0",
    "../../escaped",
    "/etc/passwd",
    "/dev/zero",
    "<script>alert(1)</script>",
    "x" * 300,
    [],
    {},
    [[]],
    [1, 2, 3],
    [1, 2, 3, 4],
    {"a": 1},
    [None] * 16,
    [[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]],
    REMOVED,
)
WORDS: tuple[str, ...] = (
    "",
    "-",
    "nan",
    "inf",
    "-inf",
    "1e999",
    "-1e30",
    "9" * 400,
    "9" * 5000,
    "0x10",
    "1_0",
    "²",
    "None",
    "[]",
    "{}",
    "[" * 500,
    "(" * 2000,
    "{1: 2}",
    "'",
    "!!python/object/apply:os.system",
    "&a [*a]",
    "../../escaped",
    "\0",
    "\ud800",
    "\u2028",
    "x" * 300,
)
PIECES: tuple[bytes, ...] = (
    b"",
    b"\0",
    b"\xff",
    b"\xef\xbb\xbf",
    b"\xff\xff\xff\xff",
    b"\x7f\xff\xff\xff",
    b"[" * 50,
    b"{",
    b'"',
    b"9" * 5000,
    b"NaN",
    b"1e999",
    b"\\ud800",
)


def leaves(value: Any, path: tuple = ()) -> Iterator[tuple]:
    """Paths of a nested value and of everything in it."""
    yield path
    items = value.items() if isinstance(value, dict) else enumerate(value)
    for key, item in items:
        if isinstance(item, (dict, list)):
            yield from leaves(item, (*path, key))
        else:
            yield (*path, key)


def put(content: Any, path: tuple, value: Any) -> Any:
    """The nested value with another one at a path, where it still has the path."""
    if not path:
        return None if value == REMOVED else value
    parent = content
    for key in path[:-1]:
        fits = isinstance(parent, dict) and key in parent
        if not fits and not (isinstance(parent, list) and key in range(len(parent))):
            return content
        parent = parent[key]
    last = path[-1]
    if isinstance(parent, dict) and value == REMOVED:
        parent.pop(last, None)
    elif isinstance(parent, dict) or (isinstance(parent, list) and last in range(len(parent))):
        parent[last] = None if value == REMOVED else value
    return content


def as_json(content: Any) -> bytes:
    """JSON, with the numbers and brackets that Python's own writer does not write."""
    text = json.dumps(content).replace(f'"{LONG}"', "9" * 5000)
    return text.replace(f'"{DEEP}"', "[" * 2000 + "]" * 2000).encode()


@st.composite
def json_files(draw: st.DrawFn, content: Any) -> bytes:
    """JSON with one to three other values, or with other bytes."""
    paths = list(leaves(content))
    changed = copy.deepcopy(content)
    for _ in range(draw(st.integers(1, 3))):
        value = draw(st.sampled_from(VALUES) | st.integers() | st.floats() | st.text(max_size=4))
        changed = put(changed, draw(st.sampled_from(paths)), copy.copy(value))
    file = as_json(changed)
    return draw(edited(file)) if draw(st.integers(0, 7)) == 0 else file


@st.composite
def text_files(draw: st.DrawFn, text: str) -> bytes:
    """Text with one to three other words, or with other bytes."""
    words = re.split(r"([\s,=:\[\]]+)", text)
    for _ in range(draw(st.integers(1, 3))):
        place = draw(st.integers(0, len(words) - 1))
        words[place] = draw(st.sampled_from(WORDS) | st.text(max_size=4) | st.floats().map(str))
    file = "".join(words).encode("utf-8", "surrogatepass")
    return draw(edited(file)) if draw(st.integers(0, 7)) == 0 else file


@st.composite
def edited(draw: st.DrawFn, file: bytes) -> bytes:
    """A file with one to four pieces replaced, inserted, removed or repeated."""
    for _ in range(draw(st.integers(1, 4))):
        start = draw(st.integers(0, len(file)))
        stop = min(len(file), start + draw(st.sampled_from((0, 1, 2, 4, 30, 10**6))))
        piece = draw(st.sampled_from(PIECES) | st.binary(max_size=6) | st.just(file[start:stop]))
        file = file[:start] + piece + file[stop:][: 10**6]
    return file


def binary_files(files: Sequence[bytes]) -> st.SearchStrategy[bytes]:
    """One of the files after `edited`."""
    return st.sampled_from(list(files)).flatmap(edited)

"""The word list finds words in prose, with their line, and leaves code alone."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

TOOL = Path(__file__).parents[2] / "tools" / "check_words.py"


def run_check(*files: Path) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, str(TOOL), *map(str, files)], capture_output=True, text=True, check=False
    )


def found_lines(output: str) -> list[int]:
    return [int(line.split(":")[1]) for line in output.splitlines()]


FILES = {
    "page.md": (
        "# A page\n\nBoth are treated alike.\n\n```python\nalike = 1\n```\n\n`alike` is code.\n"
        "[a link](alike.md) and a word that is made\nup.\n",
        [3, 10],
    ),
    "code.py": (
        '"""A docstring.\n\nIt knows something.\n"""\n\n'
        'told = "told"  # this tells all\n'
        'parser.add_argument("--x", help=f"anew {told}")\n'
        "\n\ndef f(told):\n    # `told` is a name\n    raise ValueError(told)\n",
        [3, 6, 7],
    ),
    "kernel.hpp": ("int told = 1;  // one\n/* it\n   notices */\n", [3]),
    "script.sh": ("told=1\n# goes\n# on with\ncat <<END\nsays\nEND\n", [2, 5]),
    "Makefile": ("help:    ## says all\n\techo told=$(told)\n", [1, 2]),
}


@pytest.mark.parametrize("name", FILES)
def test_words_are_found_in_prose_alone(tmp_path: Path, name: str) -> None:
    text, lines = FILES[name]
    (tmp_path / name).write_text(text)
    result = run_check(tmp_path / name)
    assert result.returncode == 1
    assert found_lines(result.stdout) == lines


@pytest.mark.parametrize(
    "sentence",
    [
        "A first sentence. What is in the file is read.",
        "20 boxes an image.",
        "compared with the truth",
        "In order to learn, the network utilises it.",
    ],
)
def test_sentences_that_are_found(tmp_path: Path, sentence: str) -> None:
    (tmp_path / "page.md").write_text(sentence + "\n")
    result = run_check(tmp_path / "page.md")
    assert result.returncode == 1
    assert set(found_lines(result.stdout)) == {1}


@pytest.mark.parametrize(
    "sentence",
    [
        "What is `w2d`?",
        "An image has 20 boxes; 20 boxes per image.",
        "compared with the ground\ntruth",
        "| " + "x" * 200 + " |",
    ],
)
def test_sentences_that_pass(tmp_path: Path, sentence: str) -> None:
    (tmp_path / "page.md").write_text(sentence + "\n")
    result = run_check(tmp_path / "page.md")
    assert (result.returncode, result.stdout) == (0, "")


def test_long_lines_of_markdown(tmp_path: Path) -> None:
    (tmp_path / "page.md").write_text("short\n" + "long " * 30 + "\n")
    assert found_lines(run_check(tmp_path / "page.md").stdout) == [2]


def test_a_file_without_prose_is_one_line(tmp_path: Path) -> None:
    result = run_check(tmp_path / "data.json")
    assert result.returncode == 2
    assert "data.json: not a file with prose" in result.stderr.splitlines()[-1]


def test_a_file_that_is_not_python_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "code.py").write_text("x = 1\n<<<<<<< HEAD\n")
    result = run_check(tmp_path / "code.py")
    assert (result.returncode, found_lines(result.stdout)) == (1, [2])

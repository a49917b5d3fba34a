"""A mistake of the user is one line on stderr and exit code 2; a fault of ours keeps its
traceback.
"""

from __future__ import annotations

import errno
import pickle
import subprocess
import sys
import warnings
from pathlib import Path

import pytest
from torch.utils.data import DataLoader, Dataset

from epropnp_det.errors import CameraWarning, ImageError, UserError, main_guard, one_line

ROOT = Path(__file__).parents[1]


class Failing(Dataset):
    """Every item is a mistake of the user."""

    def __len__(self) -> int:
        return 1

    def __getitem__(self, index: int) -> None:
        raise UserError("image a.jpg: is missing")


def run(*arguments: str) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, *arguments], cwd=ROOT, capture_output=True, text=True, timeout=300
    )


def test_guard_prints_one_line(capsys: pytest.CaptureFixture) -> None:
    def main() -> None:
        raise UserError("first\n  second")

    assert main_guard(main)() == 2
    captured = capsys.readouterr()
    assert captured.err == "error: first second\n"
    assert captured.out == ""


def test_guard_shows_a_warning_once(capsys: pytest.CaptureFixture) -> None:
    def main() -> None:
        for _ in range(3):
            warnings.warn("seen\nbefore", CameraWarning, stacklevel=1)
            with warnings.catch_warnings():  # which lets Python forget what it has shown
                warnings.simplefilter("ignore")
        warnings.warn("another", CameraWarning, stacklevel=1)

    for _ in range(2):
        assert main_guard(main)() == 0
        assert capsys.readouterr().err == "warning: seen before\nwarning: another\n"


@pytest.mark.parametrize("kind", [UserError, ImageError])
def test_a_message_is_one_line_without_commands_of_the_terminal(kind: type[UserError]) -> None:
    error = kind("file a\u2028b\x1b[2J\ud800\0.png: is é")
    assert str(error) == r"file a b\x1b[2J\ud800\x00.png: is é" == one_line(error)
    assert str(pickle.loads(pickle.dumps(error))) == str(error)


def test_guard_prints_any_name(capsys: pytest.CaptureFixture) -> None:
    def main() -> None:
        raise OSError(errno.ENOSPC, "No space left on device", "a\x1b[2J\n\ud800")

    assert main_guard(main)() == 2
    assert capsys.readouterr().err.isascii()


@pytest.mark.parametrize("returned, code", [(None, 0), (0, 0), (3, 3)])
def test_guard_returns_the_exit_code(returned: int | None, code: int) -> None:
    assert main_guard(lambda: returned)() == code


def test_guard_leaves_other_errors_alone() -> None:
    def main() -> None:
        raise ValueError("a fault of ours")

    with pytest.raises(ValueError, match="a fault of ours"):
        main_guard(main)()


def test_message_from_a_loading_process_stays_one_clear_line() -> None:
    with pytest.raises(UserError) as caught:
        next(iter(DataLoader(Failing(), num_workers=1)))
    assert one_line(caught.value) == "image a.jpg: is missing"


COMMANDS = (
    "train",
    "test",
    "doctor",
    "validate_submission",
    "validate_data",
    "make_report",
    "plot_calibration",
    "draw_example",
)


@pytest.mark.parametrize("command", [*(f"tools/{name}.py" for name in COMMANDS), "demo/detect.py"])
def test_help_shows_an_example(command: str) -> None:
    done = run(command, "--help")
    assert done.returncode == 0
    assert "Example:\n    python " + command in done.stdout


@pytest.mark.parametrize(
    "arguments, fault",
    [
        (["tools/train.py", "missing.py"], "config missing.py does not exist"),
        (["tools/train.py", "tools"], "config tools is a folder"),
        (
            ["tools/train.py", "setup.py", "--cfg-options", "runner.max_epochs"],
            "--cfg-options takes KEY=VALUE",
        ),
        (
            ["tools/validate_submission.py", "missing.json"],
            "submission missing.json cannot be read",
        ),
        (
            ["tools/make_report.py", "missing.py", "a.pth", "a.html"],
            "config missing.py does not exist",
        ),
        (
            [
                "tools/plot_calibration.py",
                "configs/detection/synthetic/quickstart.py",
                "a.pth",
                "a.png",
            ],
            "checkpoint a.pth does not exist",
        ),
        (
            ["demo/detect.py", "setup.py", "--checkpoint", "a.pth", "--intrinsics", "1,2,3"],
            "intrinsics must be 3x3 or 4 numbers",
        ),
    ],
)
def test_bad_input_is_one_line(arguments: list[str], fault: str) -> None:
    done = run(*arguments)
    assert done.returncode == 2
    assert done.stderr.startswith(f"error: {fault}"), done.stderr
    assert done.stderr.count("\n") == 1


def test_test_command_wants_something_to_do() -> None:
    done = run("tools/test.py", "config.py", "checkpoint.pth")
    assert done.returncode == 2
    assert "nothing to do" in done.stderr

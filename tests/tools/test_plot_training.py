"""The curves are the logged losses of any model; a resumed training is one curve."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from types import ModuleType

import cv2
import pytest

TOOL = Path(__file__).parents[2] / "tools" / "plot_training.py"


@pytest.fixture(scope="module")
def tool() -> ModuleType:
    spec = importlib.util.spec_from_file_location("plot_training", TOOL)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def write_log(path: Path, **losses: list[float]) -> None:
    """A log whose record of step 50 (i + 1) has the i-th value of each loss."""
    records = [
        dict(mode="train", epoch=1, iter=50 * (i + 1), **dict(zip(losses, values)))
        for i, values in enumerate(zip(*losses.values()))
    ]
    lines = [json.dumps(record) for record in (dict(seed=0), *records)]
    path.write_text("\n".join(lines) + "\n")


def test_each_loss_is_a_curve_of_its_logged_values(tool, tmp_path):
    write_log(tmp_path / "a.log.json", loss=[3.0, 2.0], loss_cls=[1.0, 0.5], position_error=[9, 8])
    figure = tool.draw(tool.read_log(tmp_path))
    curves = {
        axis.get_title(): list(axis.lines[0].get_ydata()) for axis in figure.axes if axis.lines
    }
    assert curves == {
        "loss": [3.0, 2.0],
        "loss cls": [1.0, 0.5],
        "position error [m]": [9, 8],
    }


def test_a_later_log_replaces_the_steps_that_it_repeats(tool, tmp_path):
    write_log(tmp_path / "1.log.json", loss=[5.0, 4.0])
    write_log(tmp_path / "2.log.json", loss=[5.5, 3.0, 2.0])
    assert [record["loss"] for record in tool.read_log(tmp_path)] == [5.5, 3.0, 2.0]


def test_the_command_writes_the_picture(call, tmp_path):
    write_log(tmp_path / "a.log.json", loss=[2.0, 1.0])
    assert call("plot_training", tmp_path, tmp_path / "new" / "curves.png")[0] == 0
    assert cv2.imread(str(tmp_path / "new" / "curves.png")).shape == (242, 1408, 3)


def test_a_folder_without_logs_is_one_line(call, tmp_path):
    code, _, err = call("plot_training", tmp_path, tmp_path / "curves.png")
    assert code == 2 and "has no *.log.json file" in err and err.count("\n") == 1


def test_a_line_that_a_killed_training_left_is_not_read(tool, tmp_path):
    write_log(tmp_path / "a.log.json", loss=[3.0, 2.0])
    with (tmp_path / "a.log.json").open("a") as file:
        file.write('{"mode": "tr')
    assert [record["loss"] for record in tool.read_log(tmp_path)] == [3.0, 2.0]


def test_another_line_is_named(call, tmp_path):
    (tmp_path / "a.log.json").write_text("{}\nloss\n{}\n")
    code, _, err = call("plot_training", tmp_path, tmp_path / "curves.png")
    assert code == 2 and "a.log.json, line 2 is not JSON" in err and err.count("\n") == 1

"""The log of a training is a table; the JSON file next to it and TensorBoard have its numbers."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from .tiny_training import IMAGES, start, wait, write_config

RECORDS = IMAGES  # one for each iteration
ROUNDING = 1e-3  # the JSON file has five digits after the point, the file of events float32


def test_a_record_is_one_line_of_a_table(tmp_path: Path) -> None:
    hooks = [dict(type=name, interval=1) for name in ("TableLoggerHook", "TensorBoardHook")]
    options = {"log_config.hooks": hooks, "log_level": "INFO"}
    config = write_config(tmp_path, "iterations")
    assert wait(start(config, options=options, work_dir=tmp_path / "out")) == [0]
    (log,) = (tmp_path / "out").glob("*.log")
    text = log.read_text()
    assert "Hooks will be executed" not in text and "BEFORE_RUN" not in text.upper()
    messages = [line.split(" - ")[-1] for line in text.splitlines()]
    (header,) = (line for line in messages if re.match(r" *epoch +iter", line))
    lines = [line for line in messages if re.match(r" *\d+ +\d+ ", line)]
    assert {len(line) for line in lines} == {len(header)}
    (file,) = (tmp_path / "out").glob("*.log.json")
    records = [json.loads(line) for line in file.read_text().splitlines()]
    records = [record for record in records if record.get("mode") == "train"]
    assert len(records) == RECORDS
    titles = header.split()
    for line, record in zip(lines, records, strict=True):
        cells = dict(zip(titles, line.split(), strict=True))
        assert int(cells["iter"]) == record["iter"]
        assert abs(float(cells["loss"]) - record["loss"]) <= 1e-3 * abs(record["loss"])
        assert float(cells["grad_norm"]) == pytest.approx(record["grad_norm"], rel=1e-3)
        stages = sum(record[f"{stage}_time"] for stage in ("data", "forward", "backward", "step"))
        assert 0 < stages <= record["time"] + ROUNDING
        assert {"data", "forward", "backward", "step", "MB"} <= cells.keys()
        assert 50 < record["resident_memory"] < 20_000
    events = EventAccumulator(str(tmp_path / "out" / "tf_logs")).Reload()
    for name in ("loss", "grad_norm", "data_time", "forward_time", "resident_memory"):
        written = [event.value for event in events.Scalars(f"train/{name}")]
        assert written == pytest.approx([record[name] for record in records], abs=ROUNDING)

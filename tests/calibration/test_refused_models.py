"""A model without a pose distribution is refused in one line."""

from __future__ import annotations

from pathlib import Path

import pytest

from epropnp_det import compat  # noqa: F401  before mmcv
from epropnp_det.console.command import make_parser
from epropnp_det.engine.checkpoint import write_checkpoint
from epropnp_det.engine.config import build_model, load_config
from epropnp_det.errors import UserError

CONFIG = Path(__file__).parents[2] / "configs/detection/synthetic/fcos3d_r18_synthetic.py"


def test_a_model_without_a_distribution_cannot_be_calibrated(tmp_path: Path) -> None:
    checkpoint = tmp_path / "fcos3d.pth"
    write_checkpoint(dict(state_dict=build_model(load_config(CONFIG)).state_dict()), checkpoint)
    words = ["calibrate", CONFIG, checkpoint, tmp_path / "out.pth", "--scenes", "train"]
    options = make_parser().parse_args([*map(str, words), "--device", "cpu"])
    with pytest.raises(UserError, match="FCOS3DBaseline predicts no pose distribution"):
        options.run(options)

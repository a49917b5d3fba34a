"""Configs: changed from the command line, moved to other data, and clear about mistakes."""

from __future__ import annotations

from pathlib import Path

import pytest

from epropnp_det.engine.command_line import parse_options
from epropnp_det.engine.config import build_dataset, build_model, load_config, move_data_root
from epropnp_det.errors import UserError

CONFIGS = Path(__file__).parents[2] / "configs"
DEBUG = CONFIGS / "detection" / "debug" / "one_frame.py"


def test_options_are_read_as_values() -> None:
    options = parse_options(
        ["runner.max_epochs=2", "model.neck.in_channels=[1,2]", "a.b=text", "c=True"]
    )
    assert options == {
        "runner.max_epochs": 2,
        "model.neck.in_channels": [1, 2],
        "a.b": "text",
        "c": True,
    }
    assert parse_options([]) == {}


def test_options_change_the_config() -> None:
    config = load_config(DEBUG, {"optimizer.lr": 3.0, "data.samples_per_gpu": 7})
    assert config.optimizer.lr == 3.0
    assert config.data.samples_per_gpu == 7


def test_data_root_moves_with_all_paths_below_it(tmp_path: Path) -> None:
    path = tmp_path / "a.py"
    path.write_text(
        "data_root = 'data/x/'\n"
        "inner = dict(ann_file='data/x/a.json', data_root='data/x', other='data/xy/a.json')\n"
        "data = dict(samples_per_gpu=1, train=dict(type='RepeatDataset', times=2, dataset=inner), val=inner, test=inner)\n"
    )
    config = load_config(path)
    moved = move_data_root(config, "/other")
    for settings in (moved.data.train.dataset, moved.data.val, moved.data.test):
        assert settings == dict(
            ann_file="/other/a.json", data_root="/other/", other="data/xy/a.json"
        )
    assert config.data.val.ann_file == "data/x/a.json"


@pytest.mark.parametrize(
    "text, fault",
    [
        ("model = dict(", "SyntaxError"),
        ("import nothing_of_that_name", "ModuleNotFoundError"),
        ("a = 1 / 0", "ZeroDivisionError"),
    ],
)
def test_a_broken_config_is_a_clear_error(
    text: str, fault: str, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    (tmp_path / "a.py").write_text(text)
    with pytest.raises(UserError, match=rf"a.py cannot be read: {fault}"):
        load_config(tmp_path / "a.py")
    assert capsys.readouterr().err == ""


def test_unknown_type_is_named() -> None:
    with pytest.raises(UserError, match="ResNets is not in the models registry"):
        build_model(load_config(DEBUG, {"model.backbone.type": "ResNets"}))


def test_unknown_key_of_a_dataset_is_named() -> None:
    config = load_config(DEBUG, {"data.test.evalset": "mini_val"})
    with pytest.raises(UserError, match="evalset"):
        build_dataset(config.data.test, test_mode=True, config=config)


def test_missing_annotation_file_is_named(tmp_path: Path) -> None:
    config = move_data_root(load_config(DEBUG), tmp_path)
    with pytest.raises(UserError, match=r"nuscenes_mini_infos_train_mono3d\.coco\.json"):
        build_dataset(config.data.test, test_mode=True, config=config)

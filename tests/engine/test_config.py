"""Configs: changed from the command line, moved to other data, and clear about mistakes."""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from epropnp_det.engine.command_line import add_config_arguments, parse_options
from epropnp_det.engine.config import build_dataset, build_model, load_config, move_data_root
from epropnp_det.engine.config_keys import check_training_numbers
from epropnp_det.engine.hooks.evaluation import EvaluationHook
from epropnp_det.engine.model import find_device, init_model
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


OPTIONS = {
    "1e-4": 1e-4,
    "08": 8,
    "-1": -1,
    "true": True,
    "False": False,
    "None": None,
    "": "",
    "word": "word",
    "a=b": "a=b",
    "8,11": [8, 11],
    "[8, 11]": [8, 11],
    "(8, 11)": (8, 11),
    "bbox,iou": ["bbox", "iou"],
    "[bbox, iou]": ["bbox", "iou"],
    "[(-1,48),(48,1e8)]": [(-1, 48), (48, 1e8)],
    "[(a, b), [c]]": [("a", "b"), ["c"]],
    "{'a': [1]}": {"a": [1]},
    "'8,11'": "8,11",
    "/my data/a,b.json": "/my data/a,b.json",
    "my data, new.json": "my data, new.json",
    "data/x,y/": "data/x,y/",
    "[/my data/a.json, /b.json]": ["/my data/a.json", "/b.json"],
    "['/a, b.json', 'c']": ["/a, b.json", "c"],
    "[1,2": "[1,2",
}


@pytest.mark.parametrize("text", OPTIONS)
def test_every_kind_of_value_is_read(text: str) -> None:
    value = parse_options([f"a.b={text}"])["a.b"]
    assert value == OPTIONS[text]
    assert type(value) is type(OPTIONS[text])


def test_a_path_with_blanks_and_commas_reaches_the_dataset() -> None:
    path = "/my data, new/infos, train.json"
    config = load_config(DEBUG, parse_options([f"data.train.ann_file={path}"]))
    assert config.data.train.ann_file == path


@pytest.mark.parametrize(
    "pair", ["a", "=1", "a..b=1", ".a=1", "a.=1", f"a={'[' * 5000}{']' * 5000}"]
)
def test_a_pair_that_is_no_option_is_one_line(pair: str) -> None:
    with pytest.raises(UserError, match=r"--cfg-options takes KEY=VALUE|nested too deeply"):
        parse_options([pair])


def test_options_change_the_config() -> None:
    config = load_config(DEBUG, {"optimizer.lr": 3.0, "data.samples_per_gpu": 7})
    assert config.optimizer.lr == 3.0
    assert config.data.samples_per_gpu == 7


def test_data_root_moves_with_all_paths_below_it(tmp_path: Path) -> None:
    path = tmp_path / "a.py"
    path.write_text(
        "data_root = 'data/x/'\n"
        "inner = dict(ann_file='data/x/a.json', data_root='data/x', other='data/xy/a.json')\n"
        "data = dict(samples_per_gpu=1, train=dict(type='RepeatDataset', times=2, "
        "dataset=inner), val=inner, test=inner)\n"
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
    search_path = list(sys.path)
    with pytest.raises(UserError, match=rf"a.py cannot be read: {fault}"):
        load_config(tmp_path / "a.py")
    assert capsys.readouterr().err == ""
    assert sys.path == search_path


@pytest.mark.parametrize("arguments", [("tools/train.py",), ("tools/test.py", "--show-dir", "out")])
def test_a_command_names_the_config_and_its_missing_data(
    arguments: tuple[str, ...], tmp_path: Path
) -> None:
    config = CONFIGS / "object_pose" / "released" / "epropnp_v1_basic.py"
    command, *flags = arguments
    files = [config, "none.pth"] if command == "tools/test.py" else [config]
    done = subprocess.run(
        [sys.executable, CONFIGS.parent / command, *files, *flags, "--device", "cpu"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert done.stderr == f"error: config {config} has no 'data'; this command needs it\n"


def test_a_config_without_data_root_cannot_be_moved(tmp_path: Path) -> None:
    path = tmp_path / "a.py"
    path.write_text("data = dict(samples_per_gpu=1)\n")
    with pytest.raises(UserError, match=r"a\.py has no 'data_root'"):
        move_data_root(load_config(path), "/other")


FOREIGN = [
    ("optimzer.lr", "did you mean optimizer?"),
    ("nothing_like_it.lr", "choose from auto_scale_lr, checkpoint_config"),
    ("data.samples_per_gup", "did you mean samples_per_gpu?"),
    ("load_from", "use --load-from FILE"),
    ("resume_from", "use --resume-from FILE"),
    ("fp16.loss_scale", "MixedPrecisionHook"),
    ("seed", "use --seed N"),
    ("work_dir", "use --work-dir DIR"),
    ("train_dataloader.batch_size", "use data.train"),
    ("train_pipeline.4.prob", "use data.train.pipeline"),
    ("data_root", "use --data-root DIR"),
]


@pytest.mark.parametrize("key, advice", FOREIGN)
def test_an_option_without_an_effect_is_refused_with_the_right_way(key: str, advice: str) -> None:
    with pytest.raises(UserError, match=f"option {re.escape(key)}: .*{re.escape(advice)}"):
        load_config(DEBUG, {key: 5})


@pytest.mark.parametrize(
    "line, advice",
    [
        ("optimzer = dict(lr=1)", "no key optimzer; did you mean optimizer?"),
        ("runner = dict(max_epochs=2)\ntotal_epochs = 3", "use runner.max_epochs"),
        ("load_from = 'a.pth'", "load_from has no effect here; use --load-from FILE"),
        ("workflow = [('train', 1), ('val', 1)]", "use evaluation for validation"),
    ],
)
def test_a_key_of_a_config_without_an_effect_is_refused(
    line: str, advice: str, tmp_path: Path
) -> None:
    (tmp_path / "a.py").write_text(line)
    with pytest.raises(UserError, match=re.escape(advice)):
        load_config(tmp_path / "a.py")


@pytest.mark.parametrize(
    ("part", "keys", "advice"),
    [
        ("data", "samples_per_gup=1", "no key samples_per_gup; did you mean samples_per_gpu?"),
        ("log_config", "hook=[]", "no key hook; did you mean hooks?"),
        ("checkpoint_config", "max_keep=3", "no key max_keep; did you mean max_keep_ckpts?"),
        ("optimizer", "paramwise_cfg=dict(custom_key={})", "did you mean custom_keys?"),
    ],
)
def test_a_key_of_a_part_without_an_effect_is_refused(
    part: str, keys: str, advice: str, tmp_path: Path
) -> None:
    (tmp_path / "a.py").write_text(f"{part} = dict({keys})")
    with pytest.raises(UserError, match=rf"a\.py: {part}.* has {re.escape(advice)}|{advice}"):
        load_config(tmp_path / "a.py")


def test_a_key_that_the_evaluation_does_not_take_is_named() -> None:
    class Evaluated:
        def __len__(self) -> int:
            return 1

        def evaluate(self, results: list, metric: str = "bbox", logger: object = None) -> dict:
            return {}

    EvaluationHook(Evaluated(), 0, interval=2, metric="bbox")
    with pytest.raises(TypeError, match="evaluation has no key metrics; use one of results, metr"):
        EvaluationHook(Evaluated(), 0, interval=2, metrics="bbox")


def test_a_config_may_have_values_of_its_own(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text(
        "runner = dict(max_epochs=2)\ntotal_epochs = 2\nload_from = None\n"
        "workflow = [('train', 1)]\nwidth = 3\nmodel = dict(channels=width)\n"
        "train_cfg = dict(a=1)\nwork_dir = 'x'\n"
    )
    assert load_config(tmp_path / "a.py", {"width": 4}).width == 4


@pytest.mark.parametrize(
    "key, value",
    [
        ("data.samples_per_gpu", 0),
        ("data.samples_per_gpu", 1.5),
        ("data.workers_per_gpu", -1),
        ("data.workers_per_gpu", None),
        ("runner.max_iters", "two"),
        ("runner.max_iters", True),
        ("runner.max_epochs", 0),
    ],
)
def test_a_wrong_number_of_a_training_is_named(key: str, value: object) -> None:
    config = load_config(DEBUG)
    check_training_numbers(config._cfg_dict, config.filename)
    config.merge_from_dict({key: value})
    with pytest.raises(UserError, match=f"{key} is {value!r}; it must be a whole number from"):
        check_training_numbers(config._cfg_dict, config.filename)


def test_each_stride_of_the_dense_head_has_a_range() -> None:
    ranges = [(-1, 48), (48, 1e8)]
    config = load_config(DEBUG, {"model.train_cfg.assignment.ranges": ranges})
    with pytest.raises(UserError, match="ranges has 2 pairs, but the dense head has 5 strides"):
        build_model(config)


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


@pytest.mark.parametrize("device", ["cpu", "cuda", "cuda:1"])
def test_device_argument_takes_names_of_devices(device: str) -> None:
    parser = argparse.ArgumentParser()
    add_config_arguments(parser)
    args = parser.parse_args(["--device", device, "--cfg-options", "a=1", "b=2"])
    assert (args.device, args.cfg_options, args.data_root) == (device, ["a=1", "b=2"], None)


@pytest.mark.parametrize("device", ["gpu", "cuda:", "cuda:x", "1", ""])
def test_device_argument_refuses_other_names(device: str, capsys: pytest.CaptureFixture) -> None:
    parser = argparse.ArgumentParser()
    add_config_arguments(parser)
    with pytest.raises(SystemExit):
        parser.parse_args(["--device", device])
    assert f"{device!r} is not cpu, cuda or cuda:N" in capsys.readouterr().err


def test_a_gpu_that_is_not_there_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)
    assert find_device(None) == torch.device("cpu")
    with pytest.raises(UserError, match="device cuda: torch finds no GPU"):
        init_model(DEBUG, device="cuda")
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    assert find_device("cuda:0") == torch.device("cuda:0")
    with pytest.raises(UserError, match=r"device cuda:1: torch finds 1 GPU\(s\)"):
        find_device("cuda:1")
    with pytest.raises(UserError, match="device 'gpu' is not cpu, cuda or cuda:N"):
        find_device("gpu")

"""A config in YAML or JSON is data: nothing in it runs. One in Python is a program."""

from __future__ import annotations

import json
from pathlib import Path

import mmcv
import pytest
import yaml

from epropnp_det.engine.config import load_config
from epropnp_det.engine.data_configs import OWN_CONFIGS
from epropnp_det.errors import UserError


def test_yaml_on_top_of_a_config_of_the_project(tmp_path: Path) -> None:
    base = OWN_CONFIGS / "synthetic" / "quickstart.py"
    (tmp_path / "a.yaml").write_text(f"_base_: {base}\nrunner:\n  max_iters: 3\n")
    config = load_config(tmp_path / "a.yaml")
    assert config.runner.max_iters == 3 and config.optimizer.type == "AdamW"


def test_yaml_and_json_have_the_same_values(tmp_path: Path) -> None:
    content = dict(optimizer=dict(type="SGD", lr=0.001), log_level="INFO", runner=dict(max_iters=3))
    (tmp_path / "a.yaml").write_text("optimizer: {type: SGD, lr: 0.001}\nlog_level: INFO\n")
    (tmp_path / "b.yml").write_text("_base_: a.yaml\nrunner: {max_iters: 3}\n")
    (tmp_path / "c.json").write_text(json.dumps(content))
    for name in ("b.yml", "c.json"):
        assert load_config(tmp_path / name)._cfg_dict == content


HOSTILE = {
    "tag.yaml": "a: !!python/object/apply:os.mkdir [{made}]\n",
    "new.yml": "a: !!python/object/new:os.mkdir [{made}]\n",
    "module.yaml": "a: !!python/module:antigravity\n",
    "name.yaml": "a: !!python/name:os.system\n",
    "base.yaml": "_base_: evil.py\n",
    "base.json": '{{"_base_": ["{evil}"]}}',
    "deep.yaml": "_base_: base.yaml\n",
    "import.yaml": "custom_imports: {{imports: [evil]}}\n",
    "import.json": '{{"custom_imports": {{"imports": "evil", "allow_failed_imports": true}}}}',
    "aliases.yaml": "a: &a [1]\nb: &b [*a, *a]\n",
    "nested.json": '{{"a": ' + 60 * "[" + 60 * "]" + "}}",
    "own.yaml": "_base_: own.yaml\n",
    "list.yaml": "- 1\n",
    "number.json": "3",
    "empty.yaml": "",
    "keys.yaml": "1: 2\n",
    "missing.yaml": "_base_: nowhere.yaml\n",
}


@pytest.mark.parametrize("name", HOSTILE)
def test_nothing_runs_from_a_config_that_is_data(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    made = tmp_path / "made"
    evil = tmp_path / "evil.py"
    evil.write_text(f"import os\nos.mkdir({str(made)!r})\n")
    for file, content in HOSTILE.items():
        (tmp_path / file).write_text(content.format(made=made, evil=evil))
    with pytest.raises(UserError, match="config ") as error:
        load_config(tmp_path / name)
    assert str(tmp_path) in str(error.value)
    assert not made.exists()


def test_yaml_that_mmcv_reads_makes_no_objects(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(HOSTILE["tag.yaml"].format(made=tmp_path / "made"))
    with pytest.raises(yaml.YAMLError):
        mmcv.load(str(tmp_path / "a.yaml"))
    assert not (tmp_path / "made").exists()

"""Nothing in weights that others wrote is run, wherever they come from."""

from __future__ import annotations

import io
import os
import pickle
import threading
from collections.abc import Iterator
from functools import partial
from http.server import HTTPServer, SimpleHTTPRequestHandler
from pathlib import Path

import mmcv
import numpy as np
import pytest
import torch
from mmcv.runner import BaseModule, load_checkpoint
from torch import nn

from epropnp_det import compat  # noqa: F401
from epropnp_det.engine.checkpoint import load_matching_weights, read_checkpoint
from epropnp_det.engine.training import init_weights
from epropnp_det.errors import UserError


class Touch:
    """Unpickled by anything that runs code, it makes a file."""

    def __init__(self, path: Path):
        self.path = str(path)

    def __reduce__(self):
        return (os.mkdir, (self.path,))


class Layer(BaseModule):
    def __init__(self, init_cfg: dict | None = None):
        super().__init__(init_cfg)
        self.conv = nn.Conv2d(1, 1, 1)


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *args: object) -> None: ...


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Address of a server of the files in `tmp_path`; what is fetched is kept in another folder."""
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    with HTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(tmp_path))) as http:
        thread = threading.Thread(target=http.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{http.server_port}"
        http.shutdown()
        thread.join()


def weights(**more: object) -> dict:
    return dict(state_dict=Layer().state_dict(), **more)


@pytest.mark.parametrize("force_code", [False, True])
def test_pretrained_weights_of_a_url_run_no_code(
    server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, force_code: bool
) -> None:
    if force_code:
        monkeypatch.setenv("TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD", "1")
    made = tmp_path / "made"
    torch.save(weights(extra=Touch(made)), tmp_path / "hostile.pth")
    layer = Layer(dict(type="Pretrained", checkpoint=f"{server}/hostile.pth"))
    with pytest.raises(UserError, match=r"weights http://.*hostile\.pth is refused: .*mkdir"):
        init_weights(layer)
    assert not made.exists()


def test_pretrained_weights_of_a_url_are_loaded(server: str, tmp_path: Path) -> None:
    content = weights()
    torch.save(content, tmp_path / "good.pth")
    layer = Layer(dict(type="Pretrained", checkpoint=f"{server}/good.pth"))
    init_weights(layer)
    assert torch.equal(layer.conv.weight, content["state_dict"]["conv.weight"])


@pytest.mark.parametrize("name", ["missing.pth", "..", "empty.pth", "text.pth", "folder/"])
def test_other_content_of_a_url_is_one_line(server: str, tmp_path: Path, name: str) -> None:
    (tmp_path / "empty.pth").write_bytes(b"")
    (tmp_path / "text.pth").write_text("no weights\n" * 9)
    (tmp_path / "folder").mkdir()
    with pytest.raises(UserError, match=r"weights http://") as error:
        init_weights(Layer(dict(type="Pretrained", checkpoint=f"{server}/{name}")))
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("name", ["torchvision://none", "open-mmlab://none", "mmcls://none"])
def test_names_that_no_model_zoo_has_are_one_line(name: str) -> None:
    with pytest.raises(UserError, match=f"weights {name} cannot be fetched"):
        load_checkpoint(Layer(), name)


def hostile_pickle(made: Path) -> bytes:
    return pickle.dumps(Touch(made), protocol=2)


def hostile_zip(made: Path) -> bytes:
    stream = io.BytesIO()
    torch.save(weights(extra=Touch(made)), stream)
    return stream.getvalue()


@pytest.mark.parametrize("content", [hostile_pickle, hostile_zip])
def test_a_hostile_file_runs_nothing_in_any_reader(tmp_path: Path, content) -> None:
    made = tmp_path / "made"
    file = tmp_path / "hostile.pth"
    file.write_bytes(content(made))
    readers = (
        read_checkpoint,
        lambda path: load_matching_weights(Layer(), path),
        lambda path: load_checkpoint(Layer(), str(path)),
        lambda path: init_weights(Layer(dict(type="Pretrained", checkpoint=str(path)))),
    )
    for read in readers:
        with pytest.raises(UserError, match="holds Python code or objects"):
            read(file)
    assert not made.exists()


@pytest.mark.parametrize(
    "content",
    [
        {b"k": torch.ones(1)},
        {3: torch.ones(1)},
        dict(state_dict={("a", 1): torch.ones(1)}),
        dict(state_dict=dict(a=3)),
        dict(state_dict={}),
        dict(state_dict=[]),
        {},
        [],
        torch.ones(3),
        None,
    ],
)
def test_a_file_without_names_of_tensors_is_one_line(tmp_path: Path, content: object) -> None:
    torch.save(content, tmp_path / "a.pth")
    for read in (read_checkpoint, lambda path: load_checkpoint(Layer(), str(path))):
        with pytest.raises(UserError, match=r"a\.pth holds no model weights"):
            read(tmp_path / "a.pth")


def test_pickles_that_mmcv_reads_hold_arrays_and_plain_values(tmp_path: Path) -> None:
    content = dict(a=np.arange(6.0).reshape(2, 3), b=np.float32(2), c=[1, "x", None, {4}], d=2j)
    mmcv.dump(content, str(tmp_path / "good.pkl"))
    read = mmcv.load(str(tmp_path / "good.pkl"))
    assert np.array_equal(read.pop("a"), content.pop("a")) and read == content
    made = tmp_path / "made"
    (tmp_path / "hostile.pkl").write_bytes(hostile_pickle(made))
    with pytest.raises(UserError, match="holds Python code"):
        mmcv.load(str(tmp_path / "hostile.pkl"))
    assert not made.exists()

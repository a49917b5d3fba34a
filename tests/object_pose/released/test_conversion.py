"""Released 6DoF checkpoints and CDPN's first stage convert with nothing missing."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest
import torch
from torch import Tensor

from epropnp_det.engine.checkpoint import load_matching_weights, match_keys, read_checkpoint
from epropnp_det.engine.config import build_model, load_config
from epropnp_det.object_pose.released.conversion import ARCHITECTURES
from epropnp_det.object_pose.released.key_names import DROPPED, our_name, released_name
from tests.engine.test_checkpoint import Touch, saved

CONFIGS = Path(__file__).parents[3] / "configs" / "object_pose" / "released"
# Recorded names and shapes -> architecture.
RELEASED = {
    "epropnp_6dof_v1": "6dof_v1",
    "epropnp_6dof_v2": "6dof_v2",
    "cdpn_stage_1": "cdpn_stage_1",
}


def released_state(folder: Path, model: str) -> dict[str, Tensor]:
    """A state with the recorded names and shapes; one number of its own fills each weight."""
    lines = (folder / "checkpoint_keys" / f"{model}.txt").read_text().splitlines()
    rows = (line.split("\t") for line in lines if line)
    return {
        name: torch.tensor(float(index)).expand(ast.literal_eval(shape))
        for index, (name, shape, _) in enumerate(rows)
    }


@pytest.fixture(params=RELEASED)
def released(request, reference_folder: Path, tmp_path: Path) -> tuple[str, dict, Path]:
    """Architecture, state and file of a released model."""
    state = released_state(reference_folder, request.param)
    return RELEASED[request.param], state, saved(tmp_path / "in.pth", dict(state_dict=state))


def test_every_released_model_converts_whole(released, call, tmp_path: Path):
    name, state, path = released
    code, out, err = call("convert_checkpoint", path, tmp_path / "ours.pth")
    kept = [key for key in state if not key.startswith(DROPPED)]
    assert (code, err) == (0, "")
    assert f"architecture  {name}\n" in out
    assert f"{len(kept)} converted, 0 missing, 0 unexpected" in out
    ours = read_checkpoint(tmp_path / "ours.pth")["state_dict"]
    back = {released_name(key): value for key, value in ours.items()}
    assert back.keys() == set(kept)
    assert all(torch.equal(value, state[key]) for key, value in back.items())


def test_converted_weights_fit_the_configs(released, call, tmp_path: Path):
    """CDPN's first stage leaves the two output layers and the running scale as they are."""
    name, _, path = released
    call("convert_checkpoint", path, tmp_path / "ours.pth")
    ours = read_checkpoint(tmp_path / "ours.pth")["state_dict"]
    architecture = ARCHITECTURES[name]
    for config in (architecture.config, *architecture.equivalent):
        with torch.device("meta"):
            model = build_model(load_config(CONFIGS / config))
        match = match_keys(model, ours)
        assert not match.unexpected and not match.wrong_shape
        assert all(key.startswith(architecture.fresh) for key in match.missing)
        assert len(match.missing) == (5 if name == "cdpn_stage_1" else 0)


def test_training_starts_from_cdpn(call, reference_folder: Path, tmp_path: Path):
    state = released_state(reference_folder, "cdpn_stage_1")
    path = saved(tmp_path / "cdpn.pth", dict(state_dict=state))
    call("convert_checkpoint", path, tmp_path / "ours.pth")
    model = build_model(load_config(CONFIGS / "epropnp_v2_cdpn_init.py"))
    before = model.head.output.weight.clone()
    load_matching_weights(model, tmp_path / "ours.pth")
    first = state["rot_head_net.features.0.weight"]
    assert torch.equal(model.neck.features[0].weight, first)
    assert torch.equal(model.head.output.weight, before)


def test_model_without_its_translation_head_may_be_named(
    call, reference_folder: Path, tmp_path: Path
):
    state = released_state(reference_folder, "epropnp_6dof_v1")
    kept = {key: value for key, value in state.items() if not key.startswith("trans_head_net.")}
    path = saved(tmp_path / "in.pth", dict(state_dict=kept))
    code, out, _ = call("convert_checkpoint", path, tmp_path / "out.pth", "--model", "6dof_v1")
    assert code == 0 and "architecture  6dof_v1\n" in out


def test_head_alone(call, reference_folder: Path, tmp_path: Path):
    state = released_state(reference_folder, "epropnp_6dof_v2")
    head = {key: value for key, value in state.items() if not key.startswith("backbone.")}
    path = saved(tmp_path / "in.pth", dict(state_dict=head))
    code, out, _ = call("convert_checkpoint", path, tmp_path / "out.pth", "--head-only")
    assert code == 0 and f"{len(head)} converted, 0 missing, 0 unexpected" in out


def test_names_of_one_released_weight_differ():
    names = [our_name(name) for name in ("rot_head_net.out_layer.bias", "backbone.bn1.bias")]
    assert names == ["head.output.bias", "backbone.bn1.bias"]
    assert our_name("trans_head_net.linears.0.bias") is None
    with pytest.raises(KeyError, match="bbox_head"):
        released_name("bbox_head.cls.weight")


def weight_missing(state: dict[str, Tensor], folder: Path) -> dict:
    return {key: value for key, value in state.items() if key != "rot_head_net.out_layer.bias"}


def weight_of_another_shape(state: dict[str, Tensor], folder: Path) -> dict:
    return state | {"rot_head_net.scale_branch.bias": torch.zeros(3)}


def ours_already(state: dict[str, Tensor], folder: Path) -> dict:
    return {our_name(key): value for key, value in state.items()}


def other_head(state: dict[str, Tensor], folder: Path) -> dict:
    return {key: value for key, value in state.items() if "out_layer" not in key}


def whole_module(state: dict[str, Tensor], folder: Path) -> dict:
    """As the file `model_cpu.pth` that the released training leaves."""
    return dict(state_dict=state, model=Touch(folder / "made"))


REFUSED = {
    weight_missing: "weights fit: 1 missing (head.output.bias)",
    weight_of_another_shape: "1 of another shape (head.log_scale.bias)",
    ours_already: "has the names of this program already",
    other_head: "is not a released EPro-PnP-6DoF model (its head starts with rot_head_net.",
    whole_module: "holds Python code or objects",
}


@pytest.mark.parametrize("make", REFUSED, ids=lambda make: make.__name__)
def test_anything_else_is_one_line_and_exit_code_2(
    make, call, reference_folder: Path, tmp_path: Path
):
    state = make(released_state(reference_folder, "epropnp_6dof_v2"), tmp_path)
    path = saved(tmp_path / "in.pth", state)
    (tmp_path / "made").unlink(missing_ok=True)
    code, out, err = call("convert_checkpoint", path, tmp_path / "ours.pth")
    assert code == 2 and out == ""
    assert err.startswith("error: ") and err.count("\n") == 1 and REFUSED[make] in err
    assert not (tmp_path / "ours.pth").exists() and not (tmp_path / "made").exists()

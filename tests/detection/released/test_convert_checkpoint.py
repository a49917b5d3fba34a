"""Released checkpoints are recognised, renamed without loss, and anything else is refused in one
line.
"""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from epropnp_det.detection.released.conversion import ARCHITECTURES
from epropnp_det.detection.released.key_names import released_name
from epropnp_det.engine.checkpoint import load_weights, match_keys, read_checkpoint
from epropnp_det.engine.config import build_model, load_config
from epropnp_det.object_pose.released.conversion import ARCHITECTURES as POSE_ARCHITECTURES
from tests.engine.test_checkpoint import Touch, saved

from .released_states import CONFIGS, RELEASED, released_state


@pytest.fixture(scope="module", params=RELEASED)
def released(
    request, reference_folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[str, dict, Path]:
    """Name, state and file of a released model."""
    state = released_state(reference_folder, request.param)
    return (
        request.param,
        state,
        saved(
            tmp_path_factory.mktemp("released") / "model.pth",
            dict(state_dict=state, meta=dict(epoch=12)),
        ),
    )


def test_every_released_model_converts_whole(released, call, tmp_path: Path):
    name, state, path = released
    architecture, config = RELEASED[name]
    code, out, err = call("convert_checkpoint", path, tmp_path / "ours.pth")
    assert (code, err) == (0, "")
    assert f"architecture  {architecture}\n" in out and config in out
    assert f"{len(state)} converted, 0 missing, 0 unexpected" in out
    ours = read_checkpoint(tmp_path / "ours.pth")
    with torch.device("meta"):
        model = build_model(load_config(CONFIGS / config))
    assert match_keys(model, ours["state_dict"]).complete
    assert ours["meta"]["first_pixel"] == (0.5 if architecture == "v2" else 0.0)


def test_names_go_there_and_back(released, call, tmp_path: Path):
    name, state, path = released
    call("convert_checkpoint", path, tmp_path / "ours.pth")
    ours = read_checkpoint(tmp_path / "ours.pth")["state_dict"]
    v1 = RELEASED[name][0] != "v2"
    back = {
        f"bbox_head.{released_name(key.removeprefix('bbox_head.'), v1)}"
        if key.startswith("bbox_head.")
        else key: value
        for key, value in ours.items()
    }
    assert back.keys() == state.keys()
    assert all(torch.equal(value, state[key]) for key, value in back.items())


@pytest.mark.parametrize(
    "architecture", [a for a in ARCHITECTURES.values() if a.equivalent], ids=lambda a: a.name
)
def test_training_variants_take_the_same_weights(architecture):
    with torch.device("meta"):
        states = [
            build_model(load_config(CONFIGS / config)).state_dict()
            for config in (architecture.config, *architecture.equivalent)
        ]
    first, *others = ({key: value.shape for key, value in state.items()} for state in states)
    assert all(other == first for other in others)


def test_converted_weights_load(call, reference_folder: Path, tmp_path: Path):
    path = saved(
        tmp_path / "v1b.pth", released_state(reference_folder, "epropnp_det_v1b_220411")
    )  # without "state_dict" around it
    assert call("convert_checkpoint", path, tmp_path / "new" / "ours.pth")[0] == 0
    model = build_model(load_config(CONFIGS / "epropnp_det_v1b_220411.py"))
    load_weights(model, tmp_path / "new" / "ours.pth")
    expected = read_checkpoint(path)["bbox_head.scale_branch.bias"]
    assert torch.equal(model.bbox_head.objects.branches.log_scale.bias, expected)


def test_head_alone(call, reference_folder: Path, tmp_path: Path):
    state = released_state(reference_folder, "epropnp_det_v2")
    head = {key: value for key, value in state.items() if key.startswith("bbox_head.")}
    for content in (state, head):
        path = saved(tmp_path / "v2.pth", dict(state_dict=content))
        code, out, _ = call("convert_checkpoint", path, tmp_path / "head.pth", "--head-only")
        assert code == 0 and f"{len(head)} converted, 0 missing, 0 unexpected" in out
        assert len(read_checkpoint(tmp_path / "head.pth")["state_dict"]) == len(head)
    code, _, err = call(
        "convert_checkpoint", saved(tmp_path / "v2.pth", dict(state_dict=head)), tmp_path / "a.pth"
    )
    assert code == 2 and "not a whole v2 model" in err and "missing (backbone.conv1.weight" in err


def test_weights_that_the_model_does_not_have_are_named_and_left_out(
    call, reference_folder: Path, tmp_path: Path
):
    state = released_state(reference_folder, "epropnp_det_v2") | {
        "bbox_head.extra.bias": torch.ones(2),
        "ema.decay": torch.ones(1),
    }
    code, out, _ = call(
        "convert_checkpoint", saved(tmp_path / "v2.pth", state), tmp_path / "ours.pth"
    )
    assert (
        code == 0
        and "0 missing, 2 unexpected" in out
        and "left out      bbox_head.extra.bias" in out
    )
    assert (
        not {"bbox_head.extra.bias", "ema.decay"}
        & read_checkpoint(tmp_path / "ours.pth")["state_dict"].keys()
    )


def fcos3d(folder: Path, reference: Path) -> Path:
    model = build_model(load_config(CONFIGS.parent / "synthetic" / "fcos3d_r18_synthetic.py"))
    return saved(folder / "in.pth", dict(state_dict=model.state_dict()))


def ours_already(folder: Path, reference: Path) -> Path:
    with torch.device("meta"):
        names = build_model(load_config(CONFIGS / "epropnp_det_v2.py")).state_dict()
    return saved(
        folder / "in.pth",
        {key: torch.zeros(1).expand(value.shape or (1,)) for key, value in names.items()},
    )


def backbone_alone(folder: Path, reference: Path) -> Path:
    return saved(
        folder / "in.pth", dict(state_dict={"backbone.conv1.weight": torch.zeros(64, 3, 7, 7)})
    )


def one_weight_missing(folder: Path, reference: Path) -> Path:
    state = released_state(reference, "epropnp_det_basic")
    return saved(
        folder / "in.pth",
        {key: value for key, value in state.items() if key != "bbox_head.k_proj.bias"},
    )


def one_weight_of_another_shape(folder: Path, reference: Path) -> Path:
    return saved(
        folder / "in.pth",
        released_state(reference, "epropnp_det_v2")
        | {"bbox_head.score_branch.bias": torch.zeros(3)},
    )


def other_points_per_head(folder: Path, reference: Path) -> Path:
    name = "bbox_head.attention_sampler.sampling_offsets.weight"
    return saved(
        folder / "in.pth",
        released_state(reference, "epropnp_det_v2") | {name: torch.zeros(1, 1).expand(128, 256)},
    )


def truncated(folder: Path, reference: Path) -> Path:
    path = backbone_alone(folder, reference)
    path.write_bytes(path.read_bytes()[:-200])
    return path


def code_inside(folder: Path, reference: Path) -> Path:
    path = saved(
        folder / "in.pth",
        dict(state_dict=released_state(reference, "epropnp_det_v2"), extra=Touch(folder / "made")),
    )
    (folder / "made").unlink(missing_ok=True)
    return path


def a_folder(folder: Path, reference: Path) -> Path:
    return folder


def nothing(folder: Path, reference: Path) -> Path:
    return folder / "absent.pth"


REFUSED = {
    fcos3d: "is not a released EPro-PnP-Det model (its head starts with bbox_head.cls_convs",
    ours_already: "has the names of this program already",
    backbone_alone: "has no head of a released model",
    one_weight_missing: "weights fit: 1 missing (bbox_head.objects.dense.key.bias)",
    one_weight_of_another_shape: "1 of another shape (bbox_head.objects.branches.score.bias)",
    other_points_per_head: "known are v1, v1b_220312, v1b_220411, v2",
    truncated: "is truncated or not a checkpoint",
    code_inside: "holds Python code or objects",
    a_folder: "is a folder",
    nothing: "does not exist",
}


@pytest.mark.parametrize("make", REFUSED, ids=lambda make: make.__name__)
def test_anything_else_is_one_line_and_exit_code_2(
    make, call, reference_folder: Path, tmp_path: Path
):
    path = make(tmp_path, reference_folder)
    code, out, err = call("convert_checkpoint", path, tmp_path / "ours.pth")
    assert code == 2 and out == ""
    assert err.startswith("error: ") and err.count("\n") == 1 and REFUSED[make] in err
    assert not (tmp_path / "ours.pth").exists() and not (tmp_path / "made").exists()


def test_a_folder_to_write_to_is_refused(call, reference_folder: Path, tmp_path: Path):
    path = saved(tmp_path / "v2.pth", released_state(reference_folder, "epropnp_det_v2"))
    code, _, err = call("convert_checkpoint", path, tmp_path)
    assert code == 2 and "is a folder; name a .pth file to write" in err


def test_the_model_may_be_named(call, reference_folder: Path, tmp_path: Path):
    path = saved(tmp_path / "v2.pth", released_state(reference_folder, "epropnp_det_v2"))
    assert call("convert_checkpoint", path, tmp_path / "ours.pth", "--model", "v2")[0] == 0
    code, _, err = call("convert_checkpoint", path, tmp_path / "ours.pth", "--model", "v1")
    assert code == 2 and "is not a whole v1 model" in err


def test_help_offers_the_architectures(call, capsys: pytest.CaptureFixture):
    with pytest.raises(SystemExit):
        call("convert_checkpoint", "--help")
    assert (
        "{" + ",".join(["auto", *ARCHITECTURES, *POSE_ARCHITECTURES]) + "}"
        in capsys.readouterr().out
    )

"""Weights of a model with other classes, or with other losses."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from epropnp_det.engine.checkpoint import load_matching_weights, read_checkpoint
from epropnp_det.engine.config import build_model, load_config
from epropnp_det.engine.model import init_model
from epropnp_det.errors import UserError

CONFIGS = Path(__file__).parents[2] / "configs" / "detection" / "synthetic"
SHIPPED = CONFIGS / "epropnp_r18_varied.pth"
OWN = dict(
    class_names=("sedan", "walker", "rider"),
    size_mean=((4.5, 1.5, 1.8), (0.7, 1.75, 0.7), (1.9, 1.7, 0.8)),
    size_std=((0.4, 0.15, 0.12), (0.2, 0.1, 0.15), (0.2, 0.15, 0.15)),
)


def model_of(classes: dict | None = None):
    config = load_config(CONFIGS / "epropnp_r18_varied.py")
    if classes is not None:
        config.model.bbox_head.classes = classes
    model = build_model(config)
    model.CLASSES = model.bbox_head.classes.class_names
    return model


def renamed(names: tuple[str, ...]) -> dict:
    """The ten classes of nuScenes under other names or in another order."""
    return dict(
        class_names=names,
        size_mean=[[4, 2, 2]] * 10,
        size_std=[[1, 1, 1]] * 10,
        attributes=range(9),
    )


def test_the_same_classes_take_all_weights():
    assert load_matching_weights(model_of(), SHIPPED).other_classes == ()


@pytest.mark.parametrize("number", [3, 10])
def test_other_classes_keep_their_initial_values_and_are_counted(number: int):
    """Also where the number of classes, and so each shape, is the same."""
    names = tuple(f"kind_{index}" for index in range(10))
    model = model_of(OWN if number == 3 else renamed(names))
    before = {key: value.clone() for key, value in model.state_dict().items()}
    match = load_matching_weights(model, SHIPPED)
    shipped = read_checkpoint(SHIPPED)["state_dict"]
    assert set(match.other_classes) == model.class_wise_keys()
    assert match.wrong_shape == match.missing == match.unexpected == ()
    for key, value in model.state_dict().items():
        expected = before[key] if key in match.other_classes else shipped[key]
        assert torch.equal(value, expected)
    assert "9 of other classes, which keep their initial values (" in str(match)


def test_the_keys_are_those_whose_shape_depends_on_the_classes():
    one = model_of().state_dict()
    other = model_of(OWN).state_dict()
    changed = {key for key, value in one.items() if value.shape != other[key].shape}
    assert changed == model_of().class_wise_keys()


def test_fcos3d_names_the_weights_of_its_classes():
    config = load_config(CONFIGS / "fcos3d_r18_varied.py")
    assert build_model(config).class_wise_keys() == {
        f"bbox_head.{name}.{kind}"
        for name in ("conv_cls", "conv_attr")
        for kind in ("weight", "bias")
    }


def test_a_model_with_other_losses_tests_with_the_shipped_weights():
    config = load_config(CONFIGS / "epropnp_r18_varied.py")
    config.model.bbox_head.losses.update(coordinate=None, depth=None)
    model = init_model(config, SHIPPED)
    shipped = read_checkpoint(SHIPPED)["state_dict"]
    for key, value in model.state_dict().items():
        assert torch.equal(value, shipped[key])


def test_a_model_with_another_network_refuses_the_shipped_weights():
    config = load_config(CONFIGS / "epropnp_r18_varied.py")
    config.model.bbox_head.objects.class_embedding = False
    with pytest.raises(UserError, match="another architecture"):
        init_model(config, SHIPPED)

"""Sizes of the synthetic databases."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from epropnp_det.errors import UserError

# The scenes of the devkit's mini_train and mini_val, in its order.
MINI_TRAIN = (
    "scene-0061",
    "scene-0553",
    "scene-0655",
    "scene-0757",
    "scene-0796",
    "scene-1077",
    "scene-1094",
    "scene-1100",
)
MINI_VAL = ("scene-0103", "scene-0916")


@dataclass(frozen=True)
class Preset:
    """Size of a database.

    Args:
        scenes: names of the scenes.
        keyframes: number per scene, half a second apart.
    """

    scenes: tuple[str, ...]
    keyframes: int


PRESETS = {
    "full": Preset(MINI_TRAIN + MINI_VAL, 20),
    "test": Preset((MINI_TRAIN[0], MINI_VAL[0]), 2),
    # Training data: many scenes of two keyframes show many different objects in few images.
    "varied": Preset(MINI_TRAIN, 2),
}


def preset_named(name: str) -> Preset:
    """The preset of a name.

    Raises:
        UserError: an unknown name.
    """
    if name not in PRESETS:
        raise UserError(f"unknown preset {name!r}; there are: {', '.join(PRESETS)}")
    return PRESETS[name]


def with_scenes(preset: Preset, scenes: Sequence[str] | None) -> Preset:
    """The preset with some of its scenes, in its own order; all if None.

    Raises:
        UserError: a scene that is not in the preset.
    """
    unknown = sorted(set(scenes or ()) - set(preset.scenes))
    if unknown:
        raise UserError(
            f"the preset has no {', '.join(unknown)}; its scenes: {', '.join(preset.scenes)}"
        )
    if scenes is None:
        return preset
    return replace(preset, scenes=tuple(name for name in preset.scenes if name in scenes))

"""How much of the world is written."""

from __future__ import annotations

from dataclasses import dataclass

from epropnp_det.errors import UserError

# The scenes of the devkit's mini_train and mini_val, in its order.
MINI_TRAIN = ("scene-0061", "scene-0553", "scene-0655", "scene-0757", "scene-0796", "scene-1077", "scene-1094", "scene-1100")
MINI_VAL = ("scene-0103", "scene-0916")


@dataclass(frozen=True)
class Preset:
    scenes: tuple[str, ...]
    keyframes: int  # of every scene, half a second apart


PRESETS = {
    "full": Preset(MINI_TRAIN + MINI_VAL, 20),
    "test": Preset((MINI_TRAIN[0], MINI_VAL[0]), 2),
}


def preset_named(name: str) -> Preset:
    """Raises UserError for an unknown name."""
    if name not in PRESETS:
        raise UserError(f"unknown preset {name!r}; there are: {', '.join(PRESETS)}")
    return PRESETS[name]

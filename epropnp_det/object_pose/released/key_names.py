"""Key names of the publicly released EPro-PnP-6DoF and CDPN checkpoints, translated to ours."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from torch import Tensor

# (released prefix, our prefix), longest match first.
PREFIXES = (
    ("backbone.", "backbone."),
    ("rot_head_net.features.", "neck.features."),
    ("rot_head_net.out_layer.", "head.output."),
    ("rot_head_net.scale_branch.", "head.log_scale."),
    ("monte_carlo_pose_loss.norm_factor", "losses.pose.scale"),
)
# The translation head of CDPN, which every v1 checkpoint still carries, and CDPN's output
# convolution, the place of which the two output layers of EPro-PnP take.
DROPPED = ("trans_head_net.", "rot_head_net.features.27.")


def our_name(name: str) -> str | None:
    """Our name of a released weight; None where no released model has it or it is dropped."""
    return None if name.startswith(DROPPED) else _replaced(name, PREFIXES)


def released_name(name: str) -> str:
    """The inverse of `our_name`.

    Raises:
        KeyError: a name that is not ours.
    """
    released = _replaced(name, [(ours, theirs) for theirs, ours in PREFIXES])
    if released is None:
        raise KeyError(f"{name} is not a weight of our object-pose network")
    return released


def translate(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The weights of a released model under our names, without those that are dropped.

    Raises:
        KeyError: a name that no released model has.
    """
    ours = {}
    for name, value in state.items():
        if name.startswith(DROPPED):
            continue
        renamed = our_name(name)
        if renamed is None:
            raise KeyError(f"{name} is not a weight of a released 6DoF model")
        ours[renamed] = value
    return ours


def _replaced(name: str, prefixes: Sequence[tuple[str, str]]) -> str | None:
    """The name with the first prefix that fits replaced; None where none fits."""
    return next((new + name[len(old) :] for old, new in prefixes if name.startswith(old)), None)

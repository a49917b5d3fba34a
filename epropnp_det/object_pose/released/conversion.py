"""The released EPro-PnP-6DoF models and the first stage of CDPN: how they are recognised, and their
names under ours.
"""

from __future__ import annotations

from epropnp_det.engine.released import Architecture, ReleasedFamily

from .key_names import DROPPED, our_name

HEAD = "rot_head_net."
_OUTPUT = f"{HEAD}out_layer.weight"
_CDPN_OUTPUT = f"{HEAD}features.27.weight"
_TRANSLATION = "trans_head_net.linears.4.weight"
ARCHITECTURES = {
    architecture.name: architecture
    for architecture in (
        Architecture(
            "6dof_v1",
            "epropnp_v1_basic.py",
            (
                "epropnp_v1_reg_loss.py",
                "epropnp_v1_cdpn_init.py",
                "epropnp_v1_cdpn_init_long.py",
            ),
            {_OUTPUT: (5, 256, 1, 1), _CDPN_OUTPUT: None, _TRANSLATION: (3, 4096)},
        ),
        Architecture(
            "6dof_v2",
            "epropnp_v2_cdpn_init.py",
            ("epropnp_v2_no_model.py",),
            {_OUTPUT: (5, 256, 1, 1), _CDPN_OUTPUT: None, _TRANSLATION: None},
        ),
        Architecture(
            "cdpn_stage_1",
            "epropnp_v1_cdpn_init.py",
            (),
            {_OUTPUT: None, _CDPN_OUTPUT: (4, 256, 1, 1)},
            fresh=("head.", "losses."),
        ),
    )
}


def _rename(key: str) -> str | None:
    """Our name of a released weight, None where it is dropped; itself where no released model has
    it.
    """
    return None if key.startswith(DROPPED) else our_name(key) or key


FAMILY = ReleasedFamily(
    title="EPro-PnP-6DoF",
    folder="object_pose/released",
    architectures=tuple(ARCHITECTURES.values()),
    our_name=_rename,
    released_head=HEAD,
    our_head="head.log_scale.",
    head_modules=("neck", "head", "losses"),
    first_pixel=lambda config: None,
)

"""The released EPro-PnP-Det models: how they are recognised, and their names under ours."""

from __future__ import annotations

from mmcv import Config

from epropnp_det.engine.released import Architecture, ReleasedFamily

from .key_names import our_name

HEAD = "bbox_head."
# Weights of the head whose names or shapes differ between the architectures.
_SIGNATURE = (
    "corr_reg.weight",
    "corr_regs.1.weight",
    "cls_emb",
    "attention_sampler.sampling_offsets.weight",
)


def _signature(**shapes: tuple[int, ...]) -> dict[str, tuple[int, ...] | None]:
    """Shapes of the weights of `_SIGNATURE`, dots in their names as two underscores; None for those
    that are not given.
    """
    given = {name.replace("__", "."): shape for name, shape in shapes.items()}
    return {HEAD + name: given.get(name) for name in _SIGNATURE}


_V1 = dict(corr_regs__1__weight=(8, 5, 32))
_16_POINTS = dict(attention_sampler__sampling_offsets__weight=(256, 256))
_32_POINTS = dict(attention_sampler__sampling_offsets__weight=(512, 256))
_CLASSES = dict(cls_emb=(10, 256))
_V2 = dict(corr_reg__weight=(8, 5, 32))
ARCHITECTURES = {
    architecture.name: architecture
    for architecture in (
        Architecture(
            "v1",
            "epropnp_det_coord_regr.py",
            ("epropnp_det_basic.py", "epropnp_det_coord_regr_trainval.py"),
            _signature(**_V1, **_32_POINTS),
        ),
        Architecture(
            "v1b_220312", "epropnp_det_v1b_220312.py", (), _signature(**_V1, **_16_POINTS)
        ),
        Architecture(
            "v1b_220411",
            "epropnp_det_v1b_220411.py",
            (),
            _signature(**_V1, **_16_POINTS, **_CLASSES),
        ),
        Architecture(
            "v2",
            "epropnp_det_v2.py",
            ("epropnp_det_v2_trainval.py",),
            _signature(**_V2, **_16_POINTS, **_CLASSES),
        ),
    )
}


def _rename(key: str) -> str:
    """Our name of a weight of the whole model; itself where it is no parameter of a released
    head.
    """
    ours = our_name(key.removeprefix(HEAD)) if key.startswith(HEAD) else None
    return key if ours is None else HEAD + ours


def _first_pixel(config: Config) -> float:
    return config.data.test.pipeline[0].get("first_pixel", 0.5)


FAMILY = ReleasedFamily(
    title="EPro-PnP-Det",
    folder="detection/released",
    architectures=tuple(ARCHITECTURES.values()),
    our_name=_rename,
    released_head=HEAD,
    our_head=f"{HEAD}objects.",
    head_modules=("bbox_head",),
    first_pixel=_first_pixel,
)

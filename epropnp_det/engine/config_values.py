"""Checks of the values of a config, before anything is built from them."""

from __future__ import annotations

import reprlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from epropnp_det.errors import UserError

from .config_keys import KNOWN_KEYS

MAX_NUMBER = 1e9  # larger numbers are no setting; 1e8 is mmdet's infinity


@dataclass(frozen=True)
class Limits:
    """Which numbers a setting may have.

    Args:
        low, high: least and greatest value.
        whole: whole numbers alone.
        above: `low` itself is excluded.
    """

    low: float
    high: float = MAX_NUMBER
    whole: bool = False
    above: bool = False

    def admit(self, value: Any) -> bool:
        """Whether a value is a number within the limits; a boolean is none."""
        if isinstance(value, bool) or not isinstance(value, int if self.whole else (int, float)):
            return False
        return self.low <= value <= self.high and not (self.above and value == self.low)

    def __str__(self) -> str:
        kind = "a whole number" if self.whole else "a number"
        low = f"{'above' if self.above else 'from'} {self.low:g}"
        return f"{kind} {low}" + (f" to {self.high:g}" if self.high < MAX_NUMBER else "")


SECTIONS = frozenset({"data", "model", "optimizer", "runner"})
POSITIVE = Limits(0, above=True)
NOT_NEGATIVE = Limits(0)
SHARE = Limits(0, 1)
COUNT = Limits(1, 100_000, whole=True)
COUNT_FROM_0 = Limits(0, 100_000, whole=True)

# Settings by the last part of their key, wherever it occurs, if their value is no list or dict.
LIMITS: dict[str, Limits] = {
    **dict.fromkeys(("max_iters", "max_epochs", "times"), Limits(1, whole=True)),
    **dict.fromkeys(("samples_per_gpu", "queries_per_image", "max_queries", "max_boxes"), COUNT),
    **dict.fromkeys(("mc_samples", "amis_rounds", "proposals", "points", "heads", "levels"), COUNT),
    **dict.fromkeys(("base_channels", "feat_channels", "embedding_channels", "embed_dims"), COUNT),
    **dict.fromkeys(("dense_channels", "ffn_channels", "point_ffn_channels"), COUNT),
    **dict.fromkeys(("num_groups", "size_divisor", "warmup_iters", "stride"), COUNT),
    **dict.fromkeys(("cumulative_iters", "max_skipped", "base_batch_size"), COUNT),
    **dict.fromkeys(
        ("workers_per_gpu", "lm_iterations", "iterations", "start_level"), COUNT_FROM_0
    ),
    **dict.fromkeys(("lr", "weight_decay", "lr_mult", "decay_mult", "loss_weight"), NOT_NEGATIVE),
    **dict.fromkeys(("min_lr", "gamma", "sharpness", "min_box_size"), NOT_NEGATIVE),
    **dict.fromkeys(("position", "orientation"), NOT_NEGATIVE),
    **dict.fromkeys(("beta", "radius", "max_norm", "norm_type"), POSITIVE),
    **dict.fromkeys(("prob", "alpha", "momentum", "min_lr_ratio", "max_truncation"), SHARE),
    **dict.fromkeys(("score_threshold", "nms_2d", "nms_bev", "nms_threshold"), SHARE),
    **dict.fromkeys(("mc_scoring_ratio", "warmup_ratio", "dropout"), SHARE),
    "num_outs": Limits(1, 16, whole=True),
    "min_visibility": Limits(1, 4, whole=True),
    "scale": Limits(0, 100, above=True),
}


# Settings that are True or False.
FLAGS = frozenset(
    {
        "by_epoch",
        "class_embedding",
        "class_wise_size",
        "dcn_on_last_conv",
        "filter_empty_gt",
        "find_unused_parameters",
        "flip_tta",
        "norm_eval",
        "normalized_weights",
        "ray_encoding",
        "relu_before_extra_convs",
        "requires_grad",
        "score_3d",
        "test_mode",
        "to_rgb",
        "use_sigmoid",
    }
)

# What some settings have instead of the kind before: metrics, extra convolutions of a neck.
TWO_KINDS = (("text", "a list"), ("a list", "text"), ("text", "True or False"))


def check_values(settings: Mapping[str, Any], path: object) -> None:
    """Checks the numbers of a config that reach the code.

    Raises:
        UserError: a part that is no dict, a number that is not finite, absurdly large or out of
            range, or a flag that is not True or False; the message has its key.
    """
    for name in SECTIONS & settings.keys():
        if not isinstance(settings[name], Mapping):
            raise UserError(
                f"config {path}: {name} is {reprlib.repr(settings[name])}; it must be a dict"
            )
    for name in sorted(settings.keys() & KNOWN_KEYS):
        for key, value in _leaves(settings[name], name):
            if isinstance(value, (int, float)) and not abs(value) <= MAX_NUMBER:
                raise UserError(
                    f"config {path}: {key} is {reprlib.repr(value)}; it must be a finite number up "
                    f"to {MAX_NUMBER:g}"
                )
            last = key.rpartition(".")[2]
            if last in FLAGS and not isinstance(value, bool):
                raise UserError(
                    f"config {path}: {key} is {reprlib.repr(value)}; it must be True or False"
                )
            limits = LIMITS.get(last)
            if limits is not None and not limits.admit(value):
                raise UserError(
                    f"config {path}: {key} is {reprlib.repr(value)}; it must be {limits}"
                )


def check_option_kinds(
    options: Mapping[str, Any], settings: Mapping[str, Any], path: object
) -> None:
    """Checks that the command line sets values of the kind that the config has. None fits all: it
    leaves a setting out. A few settings have two kinds.

    Raises:
        UserError: text for a number, a number for a dict, and so on.
    """
    for option, value in options.items():
        old = _find(settings, option)
        was = _kind(old)
        kind = _kind(value)
        has_both = (was, kind) in TWO_KINDS or option.rpartition(".")[2] == "step"
        if None not in (was, kind) and kind != was and not has_both:
            raise UserError(
                f"option {option}: {reprlib.repr(value)} is {kind}; in config {path} it is {was}, "
                f"{reprlib.repr(old)}"
            )


def _leaves(value: Any, key: str) -> Iterator[tuple[str, Any]]:
    """Dotted key and value of everything in nested dicts and lists that is neither."""
    if isinstance(value, Mapping):
        for name, item in value.items():
            yield from _leaves(item, f"{key}.{name}")
    elif isinstance(value, (list, tuple)):
        for index, item in enumerate(value):
            yield from _leaves(item, f"{key}.{index}")
    else:
        yield key, value


def _find(settings: Any, option: str) -> Any:
    """The value at a dotted key; None where there is none."""
    for part in option.split("."):
        if isinstance(settings, (list, tuple)) and part.isdecimal() and int(part) < len(settings):
            settings = settings[int(part)]
        elif isinstance(settings, Mapping):
            settings = settings.get(part)
        else:
            return None
    return settings


def _kind(value: Any) -> str | None:
    """The kind of a value in a message; None for None."""
    for kinds, name in (
        (bool, "True or False"),
        ((int, float), "a number"),
        (str, "text"),
        ((list, tuple), "a list"),
        (Mapping, "a dict"),
    ):
        if isinstance(value, kinds):
            return name
    return None

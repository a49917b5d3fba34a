"""Checks that the keys of a config and of --cfg-options are ones that have an effect."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Iterable, Mapping
from typing import Any

from epropnp_det.errors import UserError

KNOWN_KEYS = frozenset(
    {
        "auto_scale_lr",
        "checkpoint_config",
        "custom_hooks",
        "custom_imports",
        "data",
        "dist_params",
        "evaluation",
        "find_unused_parameters",
        "log_config",
        "log_level",
        "lr_config",
        "model",
        "momentum_config",
        "optimizer",
        "optimizer_config",
        "runner",
        "sync_bn",
    }
)
DATA_KEYS = frozenset({"samples_per_gpu", "workers_per_gpu", "train", "val", "test"})
# Parts of which mmcv ignores other keys, or fails at them only when it saves the first checkpoint.
PART_KEYS: dict[tuple[str, ...], frozenset[str]] = {
    ("auto_scale_lr",): frozenset({"base_batch_size", "enable", "rule"}),
    ("data",): DATA_KEYS,
    ("log_config",): frozenset({"interval", "hooks"}),
    ("optimizer", "paramwise_cfg"): frozenset(
        {
            "custom_keys",
            "bias_lr_mult",
            "bias_decay_mult",
            "norm_decay_mult",
            "dwconv_decay_mult",
            "dcn_offset_lr_mult",
            "bypass_duplicate",
        }
    ),
    ("checkpoint_config",): frozenset(
        {
            "type",
            "interval",
            "by_epoch",
            "save_optimizer",
            "out_dir",
            "max_keep_ckpts",
            "save_last",
            "sync_buffer",
            "file_client_args",
            "filename_tmpl",
            "create_symlink",
        }
    ),
}
# Keys of the MMDetection world that have no effect here, and the way that has one.
FOREIGN_KEYS = {
    "auto_resume": "use --resume",
    "default_hooks": "use custom_hooks",
    "fp16": "add dict(type='MixedPrecisionHook', dtype='float16') to custom_hooks",
    "load_from": "use --load-from FILE",
    "optim_wrapper": "use optimizer and optimizer_config",
    "param_scheduler": "use lr_config",
    "resume_from": "use --resume-from FILE",
    "seed": "use --seed N",
    "total_epochs": "use runner.max_epochs",
    "train_dataloader": "use data.train",
    "val_dataloader": "use data.val",
    "test_dataloader": "use data.test",
    "workflow": "training is the only step, use evaluation for validation",
}
# A config may use these names for values of its own; as options they have no effect.
FOREIGN_OPTIONS = {
    "class_names": "use the classes of data.train, data.val, data.test and model.bbox_head",
    "data_root": "use --data-root DIR",
    "dataset_type": "use data.train.type, data.val.type and data.test.type",
    "test_pipeline": "use data.test.pipeline and data.val.pipeline",
    "train_pipeline": "use data.train.pipeline",
    "deterministic": "use --deterministic",
    "device": "use --device",
    "gpu_ids": "use --device",
    "launcher": "use --launcher",
    "resume": "use --resume",
    "test_cfg": "use model.test_cfg",
    "train_cfg": "use model.train_cfg",
    "work_dir": "use --work-dir DIR",
}
# Names of a config's own values are rarely closer than this to a key.
_TYPO_SIMILARITY = 0.85


def check_options(options: Iterable[str], own: Collection[str]) -> None:
    """Checks the first parts of the keys that the command line sets.

    Args:
        options: dotted keys.
        own: top-level keys of the config, which may have names of its own.

    Raises:
        UserError: a key without an effect; the message has the right way or the nearest key.
    """
    for option in options:
        head, *rest = option.split(".")
        advice = (FOREIGN_KEYS | FOREIGN_OPTIONS).get(head)
        if advice is not None:
            raise UserError(f"option {option}: {head} has no effect here; {advice}")
        if head not in KNOWN_KEYS and head not in own:
            raise UserError(
                f"option {option}: there is no key {head}; {_nearest(head, KNOWN_KEYS)}"
            )
        if head == "data" and rest and rest[0] not in DATA_KEYS:
            raise UserError(
                f"option {option}: data has no key {rest[0]}; {_nearest(rest[0], DATA_KEYS)}"
            )


def check_keys(settings: Mapping[str, Any], path: object) -> None:
    """Checks the top-level keys of a config file. Other names than those of a setting are the
    config's own values, unless they are typos.

    Raises:
        UserError: a key without an effect; the message has the right way or the nearest key.
    """
    for key, value in settings.items():
        if key in FOREIGN_KEYS and not _changes_nothing(key, value, settings):
            raise UserError(f"config {path}: {key} has no effect here; {FOREIGN_KEYS[key]}")
        if key in KNOWN_KEYS | FOREIGN_KEYS.keys():
            continue
        near = difflib.get_close_matches(key, KNOWN_KEYS, n=1, cutoff=_TYPO_SIMILARITY)
        if near:
            raise UserError(f"config {path}: there is no key {key}; did you mean {near[0]}?")


def check_parts(settings: Mapping[str, Any], path: object) -> None:
    """Checks the keys of the parts in `PART_KEYS`.

    Raises:
        UserError: a key without an effect; the message has the nearest key.
    """
    for names, known in PART_KEYS.items():
        part: Any = settings
        for name in names:
            part = part.get(name) if isinstance(part, Mapping) else None
        for key in part if isinstance(part, Mapping) else ():
            if key not in known:
                where = ".".join(names)
                raise UserError(
                    f"config {path}: {where} has no key {key}; {_nearest(str(key), known)}"
                )


def _changes_nothing(key: str, value: Any, settings: Mapping[str, Any]) -> bool:
    """Whether a key of MMDetection has a value that changes nothing."""
    if key == "workflow":
        return [tuple(step) for step in value] == [("train", 1)]
    if key == "total_epochs" and isinstance(settings.get("runner"), Mapping):
        return value == settings["runner"].get("max_epochs")
    return value is None


def _nearest(key: str, known: Collection[str]) -> str:
    near = difflib.get_close_matches(key, sorted(known), n=1)
    return f"did you mean {near[0]}?" if near else f"choose from {', '.join(sorted(known))}"


def check_training_numbers(settings: Mapping[str, Any], path: object) -> None:
    """Checks the numbers of a training that neither mmcv nor torch checks before the first step.

    Raises:
        UserError: a number is missing, not a whole number or too small; the message has its key.
    """
    limits = [("data", "samples_per_gpu", 1), ("data", "workers_per_gpu", 0)]
    limits += [
        ("runner", key, 1) for key in ("max_iters", "max_epochs") if key in settings["runner"]
    ]
    for group, key, least in limits:
        value = settings[group].get(key)
        if not isinstance(value, int) or isinstance(value, bool) or value < least:
            raise UserError(
                f"config {path}: {group}.{key} is {value!r}; it must be a whole number from {least}"
            )
    _check_accumulation(settings, path)


_INTERVALS = ("checkpoint_config", "evaluation")


def _check_accumulation(settings: Mapping[str, Any], path: object) -> None:
    """A checkpoint between two steps of the optimizer would lose a part of the gradient."""
    parts = {key: settings.get(key) for key in ("optimizer_config", *_INTERVALS)}
    settings_of = {key: part if isinstance(part, Mapping) else {} for key, part in parts.items()}
    together = settings_of["optimizer_config"].get("cumulative_iters", 1)
    by_epoch = "max_epochs" in settings["runner"]
    for group in _INTERVALS:
        part = settings_of[group]
        interval = part.get("interval")
        if part.get("by_epoch", by_epoch) or not isinstance(interval, int) or interval < 1:
            continue
        if isinstance(together, int) and together > 1 and interval % together:
            raise UserError(
                f"config {path}: {group}.interval is {interval}; it must be a multiple of "
                f"optimizer_config.cumulative_iters, which is {together}"
            )

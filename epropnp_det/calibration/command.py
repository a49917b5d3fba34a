"""What `epropnp calibrate` does once it has the objects."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from epropnp_det.engine.checkpoint import read_checkpoint, write_checkpoint
from epropnp_det.engine.json_files import write_json
from epropnp_det.engine.output_files import write_pixels
from epropnp_det.errors import UserError
from epropnp_det.pnp import EProPnP4DoF, EProPnP6DoF
from epropnp_det.posterior.credible_regions import NOMINAL

from .fitting import Form, choose_form, fit, loss_table
from .objects import CalibrationObjects
from .reliability import Reliability, reliability, table
from .sampling import RIGID_DRAWS, Layer
from .stored import KEY, Calibration
from .temperature import Temperatures

FIT_SAMPLES = 512


def fit_calibration(
    objects: CalibrationObjects, class_names: Sequence[str], form: Form | None, samples: int
) -> Calibration:
    """Temperatures and conformal levels of objects.

    Args:
        objects: the objects of the calibration.
        class_names: in the order of the labels.
        form: the form of the temperatures; None chooses it by the loss on images left out.
        samples: number of samples of each pose, for the levels.
    """
    losses = loss_table(objects, layer_of(objects, FIT_SAMPLES))
    held_out: dict[str, float] = {}
    if form is None:
        form, held_out = choose_form(losses, objects, len(class_names))
    temperatures = fit(losses, objects.label, objects.distance, form, len(class_names))
    found = reliability(objects, layer_of(objects, samples), temperatures, samples=samples)
    levels = {name: found.of(name) for name in found.levels}
    about = dict(form=str(form), objects=len(objects), held_out_loss=held_out)
    return Calibration(temperatures, levels, about)


def layer_of(objects: CalibrationObjects, samples: int) -> Layer:
    """The layer of the poses of these objects, which draws enough samples to keep so many."""
    if objects.pose.shape[1] == 7:
        return EProPnP6DoF(mc_samples=RIGID_DRAWS * samples)
    return EProPnP4DoF(mc_samples=samples)


def compare(
    objects: CalibrationObjects,
    calibration: Calibration,
    class_names: Sequence[str],
    samples: int,
) -> tuple[dict[str, Any], dict[str, Reliability]]:
    """Coverage and sharpness before and after a calibration, and of its conformal regions: numbers
    by name, and the levels before and after.
    """
    layer = layer_of(objects, samples)
    before = reliability(objects, layer, Temperatures(), samples=samples)
    after = reliability(
        objects, layer, calibration.temperatures, calibration.levels, samples=samples
    )
    numbers = dict(
        before=table(before, class_names),
        after=table(after, class_names),
        conformal=table(after, class_names, calibration.levels),
    )
    return numbers, dict(before=before, after=after)


def calibrate(
    class_names: Sequence[str] | None,
    objects: CalibrationObjects | None,
    check: CalibrationObjects | None,
    args: argparse.Namespace,
) -> None:
    """Fits a calibration and writes the checkpoint; with objects to check also OUT.json, OUT.png.

    Args:
        class_names: in the order of the labels; None: "object 0", "object 1" and so on.
        objects: the objects of the calibration.
        check: other objects.
        args: the options of `epropnp calibrate`.
    """
    if objects is None:
        raise UserError("no scenes to fit the calibration to")
    labels = range(int(objects.label.max()) + 1)
    names = class_names or [f"object {label}" for label in labels]
    form = None if args.form is None else form_of(args.form)
    calibration = fit_calibration(objects, names, form, args.mc_samples)
    about = dict(calibration.about, scenes=list(args.scenes))
    calibration = replace(calibration, about=about)
    write_checkpoint(
        dict(read_checkpoint(args.checkpoint), **{KEY: calibration.to_plain()}), args.out
    )
    print(f"{args.out}: {about['form']}, fitted to {len(objects)} objects")
    print(calibration.temperatures)
    if check is not None:
        numbers, levels = compare(check, calibration, names, args.mc_samples)
        what = dict(config=str(args.config), check=list(args.check), fit=about)
        path = args.out.with_suffix(".json")
        write_json(path, what | numbers, indent=1)
        rows = {f"{when} the calibration": each for when, each in levels.items()}
        draw(rows, args.out.with_suffix(".png"))
        print(text(numbers))
        print(f"numbers and picture: {path}, {args.out.with_suffix('.png')}")


def form_of(terms: Sequence[str]) -> Form:
    """Of the terms class, distance and tail."""
    return Form("class" in terms, "distance" in terms, "tail" in terms)


def draw(rows: Mapping[str, Reliability], picture: Path) -> None:
    """Coverage and histogram, a row for each title; of a quantity, the objects that it is known
    of.
    """
    from epropnp_det.drawing import draw_reliability, stacked

    pictures = []
    for title, result in rows.items():
        columns = {name: result.of(name) for name in result.levels}
        shown = {
            f"{name}, {len(each)} objects": each for name, each in columns.items() if len(each)
        }
        pictures.append(draw_reliability(shown, title))
    write_pixels(picture, stacked(*pictures))


def text(numbers: Mapping[str, Any]) -> str:
    """Coverage, log density and volumes as a table."""
    lines = [f"{'':<24}" + "".join(f"{p:>8.0%}" for p in NOMINAL) + "  volume of 90 %"]
    for stage in ("before", "after", "conformal"):
        result = numbers[stage]
        for name, shares in result["coverage"].items():
            row = "".join(f"{shares[str(p)]:>8.1%}" for p in NOMINAL)
            volume = result["volume"][name]
            shown = "infinite" if volume is None else f"{volume:.3g}"
            lines.append(f"{stage + ' ' + name:<24}{row}{shown:>12}")
        if stage != "conformal":
            lines.append(f"{stage} log density of the true pose {result['log_density']:.3f}")
    return "\n".join(lines)

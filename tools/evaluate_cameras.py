#!/usr/bin/env python
"""Compares the detections of a model in the pictures of other cameras: a table as JSON and
Markdown.

The images of the test set of a config are drawn as cameras of other sizes, focal lengths and tilts
take them. A detection of the right class within 2 m on the ground finds an object. The table also
has the share of detections inside the 95 % ellipse of the same object in the original image, and
the median error of depth; all with the canonical camera of the config and without it. Objects are
visible by at least 40 %, nearer than 50 m and truncated by at most 80 %.

A second run with the same arguments resumes an interrupted one.

Example:
    python tools/evaluate_cameras.py configs/detection/synthetic/epropnp_r18_varied.py
    configs/detection/synthetic/epropnp_r18_varied.pth work_dirs/cameras --every 5
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from epropnp_det.engine.command_line import add_config_arguments
from epropnp_det.engine.output_files import write_text, writing
from epropnp_det.errors import UserError, main_guard


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("config", type=Path)
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument(
        "out",
        type=Path,
        metavar="OUT",
        help="folder for cameras.json, cameras.md and the finished images, images.jsonl",
    )
    parser.add_argument(
        "--every", type=int, default=1, metavar="N", help="take every N-th image (default: all)"
    )
    parser.add_argument(
        "--score-thr", type=float, default=0.2, help="of the detections (default: %(default)s)"
    )
    add_config_arguments(parser)
    args = parser.parse_args()
    if args.every < 1:
        parser.error(f"--every {args.every} must be at least 1")
    return args


@main_guard
def main() -> None:
    args = parse_args()
    # Slow to import: not before --help and wrong arguments are dealt with.
    from tqdm import tqdm

    from epropnp_det.detection.evaluation.other_cameras import (
        CameraSettings,
        as_markdown,
        camera_table,
        from_json,
        see_image,
        to_json,
        without_canonical_camera,
    )
    from epropnp_det.engine.command_line import model_and_dataset
    from epropnp_det.engine.json_files import finite_or_none, write_json

    model, dataset = model_and_dataset(args)
    models = {"canonical camera": model, "none": without_canonical_camera(model)}
    settings = CameraSettings(score_threshold=args.score_thr)
    what = dict(
        config=str(args.config),
        checkpoint=str(args.checkpoint),
        cfg_options=args.cfg_options,
        data_root=args.data_root,
        settings=vars(settings),
    )
    log = args.out / "images.jsonl"
    done = read_finished(log, what)
    chosen = range(0, len(dataset), args.every)
    with log.open("a") as file:
        for index in tqdm(chosen, desc="detecting", unit="image", disable=None):
            if index not in done:
                done[index] = to_json(see_image(models, dataset, index, settings))
                line = json.dumps(finite_or_none(dict(index=index, seen=done[index])))
                with writing(log):
                    file.write(line + "\n")
                    file.flush()
    rows = camera_table([from_json(done[index]) for index in chosen])
    write_json(args.out / "cameras.json", dict(what, images=len(chosen), rows=rows), indent=1)
    write_text(args.out / "cameras.md", as_markdown(rows))
    print(as_markdown(rows))
    print(f"tables: {args.out / 'cameras.json'}, {args.out / 'cameras.md'}")


def read_finished(log: Path, what: dict[str, Any]) -> dict[int, dict[str, Any]]:
    """Results by index of the image, from an earlier run; a new file begins with `what` was run.

    Raises:
        UserError: the file is of another run, or not of this command.
    """
    if not log.exists():
        write_text(log, json.dumps(what) + "\n")
        return {}
    lines = log.read_text().split("\n")
    try:
        if json.loads(lines[0]) != json.loads(json.dumps(what)):
            raise UserError(f"{log} is of a run with other arguments; choose another OUT")
        # An interrupted run may leave the beginning of a line.
        records = [json.loads(line) for line in lines[1:-1]]
        finished = {record["index"]: record["seen"] for record in records}
    except (ValueError, KeyError, TypeError) as error:
        if isinstance(error, UserError):
            raise
        raise UserError(f"{log} is damaged; remove it, or choose another OUT") from error
    write_text(log, "".join(f"{line}\n" for line in lines[:-1]))
    return finished


if __name__ == "__main__":
    sys.exit(main())

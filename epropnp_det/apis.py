"""From an image and its intrinsics to 3D boxes with pose distributions, in two calls:

model = init_model("configs/epropnp/epropnp_v2_r101_12e_nuscenes.py", "epoch_12.pth", device="cuda")
detections = detect(model, "image.jpg", (1266.4, 1266.4, 816.3, 491.5))
"""

from __future__ import annotations

from epropnp_det import compat  # noqa: F401  before mmcv, which it mends

# isort: split
import functools
import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from mmcv import Config
from mmcv.parallel import collate
from torch import nn

from epropnp_det.engine.checkpoint import load_weights
from epropnp_det.engine.config import build_model, load_config
from epropnp_det.engine.seeding import seeded
from epropnp_det.engine.wrapping import to_device
from epropnp_det.errors import UserError

if TYPE_CHECKING:
    from epropnp_det.models.structures import Detections

_EXPECTED = "give fx,fy,cx,cy or a JSON or text file with these 4 numbers or a 3x3 matrix"


def init_model(config: str | Path | Config, checkpoint: str | Path | None = None, device: str | torch.device = "cpu") -> nn.Module:
    """A detector ready for `detect`; without a checkpoint its weights are random.

    Raises:
        UserError: the config or the checkpoint is missing, wrong, or of another architecture.
    """
    config = config if isinstance(config, Config) else load_config(config)
    model = build_model(config)
    if checkpoint is not None:
        load_weights(model, checkpoint)
    model.cfg = config
    return model.to(device).eval()


@torch.no_grad()
def detect(
    model: nn.Module,
    image: str | Path | np.ndarray,
    intrinsics: Sequence[float] | np.ndarray,
    seed: int = 0,
    mc_samples: int | None = None,
) -> Detections:
    """Objects in one image.

    Args:
        model: from `init_model`.
        image: a file, or (H, W, 3) uint8, channels blue, green, red.
        intrinsics: 3x3 camera matrix or (fx, fy, cx, cy) in pixels of this image, the centre of its first pixel at (0.5, 0.5).
        seed: of the random start of the pose solver, and of the samples.
        mc_samples: how many weighted samples of each pose to draw, a multiple of the rounds of adaptive sampling (4); None for none.

    Returns:
        `Detections` on the CPU, best first: poses (x, y, z of the gravity centre, yaw) in the camera frame of the image
        (x right, y down, z forward; m, rad), sizes (l, h, w) in m, velocities in m/s, the covariance of each pose, and its
        samples where asked for. Samples change nothing else.

    Raises:
        UserError: the image is missing, truncated or of another kind; the intrinsics are not a camera matrix; the number of samples is
            no multiple of the rounds.
    """
    if mc_samples is not None:
        check_samples(model, mc_samples)
    device = next(model.parameters()).device
    data = to_device(collate([_network_input(model.cfg, image, camera_matrix(intrinsics))], samples_per_gpu=1), device)
    with seeded(seed, device):
        return model.detect(data["img"], data["img_metas"], mc_samples=mc_samples)[0].to("cpu")


def check_samples(model: nn.Module, mc_samples: int) -> None:
    """Raises UserError where a model cannot draw so many samples of a pose, or predicts no distribution at all."""
    from epropnp_det.models.detector import EProPnPDet

    if not isinstance(model, EProPnPDet):
        raise UserError(f"a {type(model).__name__} predicts no pose distribution; use a config of EProPnPDet")
    try:
        model.bbox_head.sampler(mc_samples)
    except ValueError as error:
        raise UserError(str(error)) from error


def _network_input(config: Config, image: str | Path | np.ndarray, matrix: np.ndarray) -> dict[str, Any]:
    from mmdet3d.datasets.pipelines import Compose

    import epropnp_det.datasets  # noqa: F401  registers the pipeline's steps

    info = dict(cam_intrinsic=matrix.tolist())
    if isinstance(image, np.ndarray):
        if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8:
            raise UserError(f"an image must be (H, W, 3) uint8, not {image.shape} {image.dtype}")
        results = dict(img=image, img_info=info, img_prefix=None)
    else:
        results = dict(img_info=dict(info, filename=str(image)), img_prefix=None)
    return Compose(config.data.test.pipeline)(results)


def camera_matrix(intrinsics: Sequence[float] | np.ndarray) -> np.ndarray:
    """(3, 3) float64 camera matrix, in px, from itself or from (fx, fy, cx, cy).

    Raises:
        UserError: neither 3x3 nor 4 numbers, not finite, a focal length that is not positive, or a last row that is not 0, 0, 1.
    """
    try:
        numbers = np.asarray(intrinsics, dtype=np.float64)
    except (TypeError, ValueError):
        raise UserError(f"intrinsics are not numbers: {_expected(intrinsics)}") from None
    if numbers.shape == (4,):
        fx, fy, cx, cy = numbers
        numbers = np.array([[fx, 0, cx], [0, fy, cy], [0, 0, 1]])
    if numbers.shape != (3, 3):
        raise UserError(f"intrinsics must be 3x3 or 4 numbers, not of shape {numbers.shape}: {_expected(intrinsics)}")
    if not (np.isfinite(numbers).all() and numbers[0, 0] > 0 and numbers[1, 1] > 0 and np.array_equal(numbers[2], (0, 0, 1))):
        raise UserError(f"intrinsics must be finite, with positive focal lengths and a last row 0 0 1: {_expected(intrinsics)}")
    return numbers


def _expected(given: Any) -> str:
    return f"got {str(given)[:80]}; {_EXPECTED}"


def parse_intrinsics(text_or_path: str | Path) -> np.ndarray:
    """(3, 3) camera matrix from 'fx,fy,cx,cy' or from a file with these numbers or nine, as JSON or separated by blanks or commas.

    Raises:
        UserError: neither numbers nor a readable file of them.
    """
    text = str(text_or_path)
    path = Path(text)
    if not path.is_file():
        return camera_matrix(_numbers(text, f"{text!r} is neither 4 numbers nor a file"))
    try:
        content = path.read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"intrinsics file {path} cannot be read as text") from error
    return camera_matrix(_json_or_numbers(content, f"intrinsics file {path} holds something else"))


def _json_or_numbers(content: str, fault: str) -> Any:
    try:
        return json.loads(content)
    except json.JSONDecodeError:
        return _numbers(content, fault)


def _numbers(text: str, fault: str) -> np.ndarray:
    try:
        numbers = np.array([float(word) for word in text.replace(",", " ").split()])
    except ValueError:
        raise UserError(f"{fault}; {_EXPECTED}") from None
    return numbers.reshape(3, 3) if numbers.shape == (9,) else numbers


@functools.cache
def intrinsics_by_file_name(annotation_file: str | Path) -> dict[str, np.ndarray]:
    """(3, 3) camera matrices by image file name (without folders), from an annotation file in the `mono3d.coco.json` form.

    Raises:
        UserError: the file is no annotation file.
    """
    try:
        images = json.loads(Path(annotation_file).read_text())["images"]
        return {Path(image["file_name"]).name: camera_matrix(image["cam_intrinsic"]) for image in images}
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise UserError(f"{annotation_file} is no annotation file with images[].file_name and images[].cam_intrinsic") from error

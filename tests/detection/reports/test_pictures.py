"""Pictures of a test."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import cv2
import numpy as np
import torch

from epropnp_det.detection.boxes import Boxes3D
from epropnp_det.detection.reports.pictures import draw_dataset


def test_images_of_one_name_in_two_folders_have_a_picture_each(tmp_path: Path) -> None:
    names = ["left/0.png", "right/0.png"]
    for name in names:
        (tmp_path / name).parent.mkdir()
        cv2.imwrite(str(tmp_path / name), np.zeros((90, 160, 3), np.uint8))
    found = Boxes3D(
        pose=torch.tensor([[0.0, 0.5, 12.0, 0.3]]),
        size=torch.tensor([[4.0, 1.5, 1.8]]),
        label=torch.tensor([0]),
        score=torch.tensor([0.9]),
    )
    matrix = [[120.0, 0.0, 80.0], [0.0, 120.0, 45.0], [0.0, 0.0, 1.0]]
    dataset = SimpleNamespace(
        data_infos=[dict(filename=name, cam_intrinsic=matrix) for name in names],
        img_prefix=str(tmp_path),
        CLASSES=("car",),
        get_visible_boxes=lambda index: found,
    )
    out = tmp_path / "pictures"
    draw_dataset(dataset, [found, found], out, background_kind="none", score_threshold=0.2)
    assert sorted(path.name for path in out.iterdir()) == ["left_0.png", "right_0.png"]

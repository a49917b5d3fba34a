"""Training patches that are rendered as they are needed."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader

from epropnp_det.engine.config import load_config, move_data_root
from epropnp_det.engine.training import TrainingOptions, train
from epropnp_det.errors import UserError
from epropnp_det.object_pose.data.coordinate_maps import pixel_centers
from epropnp_det.object_pose.data.crops import CropWindow, crop_image
from epropnp_det.object_pose.data.rendered_crops import RenderedCrops, photograph
from epropnp_det.object_pose.data.rendering import Sensor, color_levels, develop, linear_colors
from epropnp_det.pnp import SE3Pose
from tests import tolerances
from tests.object_pose import bop_factory

CONFIG = Path(__file__).parents[3] / "configs" / "object_pose" / "embedded_lite0.py"
SENSOR = Sensor(blur=1.2, noise=0.0, exposure=1.0, quality=100)


def crops(root: Path, **changes) -> RenderedCrops:
    return RenderedCrops(str(root), **(dict(patch=dict(size=64), cells=16) | changes))


def test_a_patch_depends_on_seed_and_index_alone(root: Path):
    here = crops(root, length=4)
    first = [here[index]["img"] for index in (3, 1)]
    loader = DataLoader(crops(root, length=4), batch_size=1, num_workers=2, sampler=[3, 1])
    for one, batch in zip(first, loader):
        assert torch.equal(one, batch["img"][0])
    assert not torch.equal(crops(root, seed=1)[3]["img"], first[0])


def test_coordinates_project_to_the_centres_of_their_cells(root: Path):
    dataset = crops(root, layout=dict(full_rotation=True))
    for index in range(4):
        crop = dataset[index]
        points = (crop["gt_noc"] * crop["half_extent"][:, None, None]).flatten(1).T
        shown = crop["gt_mask"].flatten() > 0
        seen = SE3Pose.transform(crop["gt_pose"], points[shown]) @ crop["matrix"].T
        window = CropWindow(crop["origin"].numpy(), float(crop["side"]))
        cells = window.cell_centers(16).reshape(-1, 2)[shown]
        error = (seen[:, :2] / seen[:, 2:]).numpy() - cells
        assert shown.any() and np.abs(error).max() < tolerances.RAY_CAST_PIXELS
        assert (crop["gt_noc"].flatten(1)[:, ~shown] == 0).all()


def test_views_are_those_of_the_layout(root: Path):
    dataset = crops(root, layout=dict(distance=(3.0, 4.0), elevation=(20.0, 30.0), others=(0, 0)))
    for index in range(6):
        crop = dataset[index]
        model = dataset.models[dataset.objects[int(crop["object_index"])]]
        pose = crop["gt_pose"].double()
        assert 3 <= pose[2] / model.diameter <= 4
        up = SE3Pose.rotation(pose)[:, 2]
        elevation = torch.rad2deg(torch.asin(-up @ pose[:3] / pose[:3].norm()))
        assert 20 - 1e-3 <= elevation <= 30 + 1e-3


@pytest.mark.parametrize("side", (40.0, 90.0))
def test_a_patch_shows_what_a_patch_of_the_image_shows(root: Path, side: float):
    """Whether it enlarges the image or shrinks it, also beyond the image's border."""
    dataset = crops(root)
    scene, _ = dataset._draw(1, False, np.random.default_rng(0))
    rng = np.random.default_rng(0)
    width, height = dataset.camera.size
    image = develop(dataset.renderer.radiance(scene, pixel_centers(width, height)), SENSOR, rng)
    window = CropWindow(np.array([-7.3, height - side + 8.6]), side)
    expected = crop_image(image, window, 64)
    patch = photograph(dataset.renderer, scene, window, 64, dataset.camera, SENSOR, rng)
    assert (patch[-4:] == 0).all() and (patch[:, :4] == 0).all()
    inner = np.s_[3:50, 14:61]
    difference = np.abs(patch[inner].astype(float) - expected[inner])
    assert difference.mean() < tolerances.PHOTOGRAPH_LEVELS


def test_symmetries_leave_the_objects_as_they_are(root: Path):
    dataset = crops(root)
    assert dataset.symmetries.shape == (2, 64, 7)
    assert (dataset.symmetries[0] == torch.tensor((0.0, 0, 0, 1, 0, 0, 0))).all()
    axis = torch.tensor((0.0, 0.0, 0.02))
    assert torch.allclose(SE3Pose.transform(dataset.symmetries[1], axis[None]), axis)


def test_colours_survive_their_levels():
    levels = np.arange(256, dtype=np.uint8).reshape(-1, 2, 1).repeat(3, -1)
    linear = linear_colors(levels)
    assert linear.dtype == np.float32 and linear.min() == 0 and linear.max() == 1
    assert np.array_equal(color_levels(linear), levels)


def test_wrong_settings_end_in_one_line(root: Path, tmp_path: Path):
    with pytest.raises(UserError, match=r"objects \[7\] have no model"):
        crops(root, objects=(1, 7))
    with pytest.raises(UserError, match="RenderedCrops is for training"):
        crops(root, test_mode=True)
    with pytest.raises(UserError, match=r"set patch\.released=False"):
        crops(root, patch=dict(size=64, released=True))
    bop_factory.write_models(tmp_path / "models")
    with pytest.raises(UserError, match=r"camera\.json cannot be read"):
        crops(tmp_path)


def test_the_embedded_config_trains_and_resumes(root: Path, tmp_path: Path):
    pytest.importorskip("efficientnet_lite_pytorch")
    settings = {
        "runner.max_iters": 1,
        "checkpoint_config.interval": 1,
        "data.samples_per_gpu": 2,
        "data.train.stored": 4,
        "data.workers_per_gpu": 0,
        "model.head.objects": 2,
    }
    options = TrainingOptions(tmp_path, torch.device("cpu"))
    train(move_data_root(load_config(CONFIG, settings), root), options)
    settings["runner.max_iters"] = 2
    train(move_data_root(load_config(CONFIG, settings), root), replace(options, resume=True))
    meta = torch.load(tmp_path / "latest.pth", weights_only=False)["meta"]
    assert meta["iter"] + 1 == 2

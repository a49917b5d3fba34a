"""Every config of the object-pose models builds; one of full size takes a step."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from epropnp_det.engine.config import build_model, load_config
from epropnp_det.engine.training import init_weights

from .small import geometry, poses

CONFIGS = Path(__file__).parents[2] / "configs" / "object_pose"
RELEASED = sorted((CONFIGS / "released").glob("*.py"))
WHOLE_IMAGES = sorted(
    path for folder in ("detectors", "heads") for path in (CONFIGS / folder).glob("*.py")
)
PIXEL_CELLS = {"pix2pose_lite0": 32, "pix2pose_resnet34": 64, "pix2pose_paper": 128}
SIZES = {"resnet34_v1": 64, "resnet34_v2": 64, "resnet18": 32, "lite0": 32}


@pytest.mark.parametrize("name", SIZES)
def test_maps_of_the_base_models(name: str):
    """Patches of 256 px give 64 x 64 cells, those of 128 px 32 x 32."""
    if name == "lite0":
        pytest.importorskip("efficientnet_lite_pytorch")
    model = build_model(load_config(CONFIGS / "_base_" / "models" / f"{name}.py")).eval()
    img = torch.zeros(1, 3, 4 * SIZES[name], 4 * SIZES[name])
    with torch.no_grad():
        maps = model.maps(img, geometry(1))
    assert maps.noc.shape == (1, 3, SIZES[name], SIZES[name])
    assert maps.logit.shape == (1, 2, SIZES[name], SIZES[name])


@pytest.mark.parametrize("name", PIXEL_CELLS)
def test_maps_of_pix2pose(name: str):
    if name == "pix2pose_lite0":
        pytest.importorskip("efficientnet_lite_pytorch")
    config = load_config(CONFIGS / "_base_" / "models" / f"{name}.py")
    config.model.backbone.pop("init_cfg", None)
    model = build_model(config).eval()
    with torch.no_grad():
        maps = model.maps(torch.zeros(1, 3, 128, 128), geometry(1))
    cells = PIXEL_CELLS[name]
    assert maps.noc.shape == (1, 3, cells, cells) and maps.error.shape == (1, 1, cells, cells)
    if name == "pix2pose_paper":
        # As the published network, 25.74 M.
        number = sum(parameter.numel() for parameter in model.parameters())
        assert round(number / 1e6, 2) == 25.74


@pytest.mark.parametrize("path", WHOLE_IMAGES, ids=lambda path: path.stem)
def test_detectors_and_compared_heads_load(path: Path):
    config = load_config(path)
    assert config.runner.type == "IterBasedRunner"
    roi = config.model.get("roi_head")
    if roi is not None:
        assert roi.bbox_head.num_classes == roi.mask_head.num_classes


@pytest.mark.parametrize("path", RELEASED, ids=lambda path: path.stem)
def test_released_runs_keep_the_ways_of_their_version(path: Path):
    model = load_config(path).model
    assert model.points.weight_rule == ("v2" if "_v2_" in path.stem else "v1")
    assert model.points.cell_offset == 0 and not model.points.match_train_weights
    assert model.test_cfg == dict(start="epnp", pnp=dict(lm_iterations=3, solver="gauss_newton"))
    assert (model.losses.coordinate is None) == ("no_model" in path.stem)


@pytest.mark.slow
def test_full_size_model_takes_a_step():
    config = load_config(CONFIGS / "released" / "epropnp_v1_reg_loss.py")
    config.model.backbone.init_cfg = None
    torch.manual_seed(0)
    model = build_model(config)
    init_weights(model)
    model.train()
    where = geometry(2)
    generator = torch.Generator().manual_seed(0)
    data = dict(
        img=torch.rand(2, 3, 256, 256, generator=generator),
        origin=where.origin,
        side=where.side,
        matrix=where.matrix,
        half_extent=where.half_extent,
        object_index=where.object_index,
        gt_pose=poses(2),
        gt_noc=torch.rand(2, 3, 64, 64, generator=generator),
        gt_mask=torch.ones(2, 1, 64, 64),
    )
    optimizer = torch.optim.RMSprop(model.parameters(), lr=1e-4, alpha=0.99, eps=1e-8)
    model.train_step(data, optimizer, generator)["loss"].backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in model.parameters())
    before = model.head.output.weight.clone()
    optimizer.step()
    assert not torch.equal(model.head.output.weight, before)

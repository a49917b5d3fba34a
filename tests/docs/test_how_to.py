"""The code of the how-to pages runs, and its losses and heads keep their laws."""

from __future__ import annotations

import re
from pathlib import Path

import cv2
import pytest
import torch

from epropnp_det.engine.config import load_config
from epropnp_det.engine.films import write_film
from epropnp_det.pnp import Camera, Correspondences, EProPnP4DoF, PnPProblem, YawPose
from epropnp_det.pnp.spaces.base import PoseSpace

PAGES = Path(__file__).parents[2] / "docs" / "how-to"


def run_code(page: str) -> dict:
    """Names of the Python blocks of a page, run from top to bottom."""
    blocks = re.findall(r"^```python\n(.*?)^```", (PAGES / page).read_text(), re.M | re.S)
    names: dict = {}
    exec(compile("\n".join(blocks), page, "exec"), names)
    return names


def camera() -> Camera:
    return Camera.for_image([[800.0, 0, 320], [0, 800, 240], [0, 0, 1]], (640, 480))


def test_the_loss_of_add_a_loss() -> None:
    generator = torch.Generator().manual_seed(0)
    loss = run_code("add-a-loss.md")["MeanPositionLoss"](loss_weight=2.0)
    x3d = torch.rand(3, 32, 3, generator=generator) * 2 - 1
    gt_pose = torch.tensor([[1.0, 0.5, 8.0, 0.3]]).repeat(3, 1)
    w2d = torch.full((3, 32, 2), 0.3)
    w2d[2] = 0  # without weights: no solution
    points = Correspondences(x3d, camera().project(YawPose.transform(gt_pose, x3d)), w2d)
    points.w2d.requires_grad_()
    layer = EProPnP4DoF(mc_samples=128)
    problem = PnPProblem.adaptive(points, camera())
    samples = layer.sample(problem, layer.solve(problem, generator=generator), generator)
    far = gt_pose + torch.tensor([3.0, 0, 4.0, 0])
    values = loss(samples, far)
    # Five metres from the mean of the samples, twice; nothing for the object without a solution.
    torch.testing.assert_close(values, torch.tensor([10.0, 10.0, 0.0]), atol=0.5, rtol=0)
    (gradient,) = torch.autograd.grad(values.sum(), points.w2d)
    assert gradient[:2].abs().sum() > 0 and not gradient[2].any()


def test_the_head_of_add_a_head_learns_a_pose() -> None:
    torch.manual_seed(0)
    generator = torch.Generator().manual_seed(0)
    names = run_code("add-a-head.md")
    head = names["PointHead"](channels=16)
    optimizer = torch.optim.Adam(head.parameters(), lr=0.02)
    feats = torch.randn(2, 16, 6, 6, generator=generator)
    row, column = torch.meshgrid(torch.arange(6.0), torch.arange(6.0), indexing="ij")
    cells = torch.stack((column, row), -1).flatten(0, 1).expand(2, 36, 2) * 20 + 250
    extent = torch.ones(2, 3)
    gt_pose = torch.tensor([[0.0, 0, 6, 1, 0, 0, 0], [0.1, 0.2, 7, 0.8, 0.6, 0, 0]])

    def error() -> float:
        _, estimate, samples = names["pose_distribution"](
            head(feats, extent, cells), camera(), generator
        )
        assert estimate.covariance.shape == (2, 6, 6) and samples.pose.shape == (128, 2, 7)
        return float((estimate.pose[:, :3] - gt_pose[:, :3]).norm(dim=1).max())

    before = error()
    for _ in range(60):
        points = head(feats, extent, cells)
        problem = PnPProblem.adaptive(points, camera())
        losses = names["pose_losses"](problem, gt_pose, points.w2d.detach().mean() * 36, generator)
        optimizer.zero_grad()
        sum(losses.values()).backward()
        optimizer.step()
    assert all(parameter.grad.abs().sum() > 0 for parameter in head.parameters())
    assert error() < 0.2 * before


def test_the_pose_space_page_names_the_whole_interface() -> None:
    text = (PAGES / "add-a-pose-space.md").read_text()
    table = set(
        re.findall(r"`(\w+)`", text[text.index("| member |") : text.index("Two decisions")])
    )
    constants = {name for name in PoseSpace.__annotations__ if not name.startswith("_")}
    assert table >= PoseSpace.__abstractmethods__ | constants


def test_the_config_of_own_data(tmp_path: Path) -> None:
    block = re.search(r"^```python\n(.*?)^```", (PAGES / "own-data.md").read_text(), re.M | re.S)
    configs = PAGES.parents[1] / "configs" / "detection"
    file = tmp_path / "my_data.py"
    file.write_text(block[1].replace('_base_ = "', f'_base_ = "{configs}/'))
    config = load_config(file)
    assert config.data.train.ann_file == "my_data/my_train.json"
    assert config.data.test.data_root == "my_data/"
    assert config.data.train.pipeline[0].type == "LoadCameraImage"
    assert config.runner.max_iters == 1000


def test_the_film_of_the_page_on_films(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    street = cv2.imread(str(PAGES.parents[1] / "demo/street.jpg"))
    write_film(tmp_path / "drive.mp4", [street] * 2, 0.1)
    (tmp_path / "configs").symlink_to(PAGES.parents[1] / "configs")
    monkeypatch.chdir(tmp_path)
    run_code("films.md")
    lines = capsys.readouterr().out.strip().splitlines()
    assert [line.split()[0] for line in lines] == ["0.0", "0.1"]
    first, second = (
        [int(word) for word in re.search(r"\[([\d ]*)\]", line)[1].split()] for line in lines
    )
    assert first == list(range(len(first))) and {0, 1, 2} <= set(second)


def test_the_intrinsics_of_the_page_on_cameras(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(PAGES.parents[1])
    names = run_code("cameras.md")
    assert names["front"].size == (1600, 900)
    width, height = names["wide"].size
    assert names["wide"][0, 0] == pytest.approx(width / 2)
    assert names["wide"][1, 2] == height / 2

"""Temperatures, tails and conformal levels: known factors are recovered, and regions then hold the
true values at the promised rate.
"""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch

from epropnp_det.calibration.command import fit_calibration
from epropnp_det.calibration.fitting import Form, fit, loss_table
from epropnp_det.calibration.objects import CalibrationObjects
from epropnp_det.calibration.regions import regions
from epropnp_det.calibration.reliability import reliability, table
from epropnp_det.calibration.sampling import CalibratedPosterior, in_parts
from epropnp_det.calibration.stored import KEY, Calibration
from epropnp_det.calibration.temperature import Temperatures
from epropnp_det.errors import UserError
from epropnp_det.pnp import EProPnP4DoF
from epropnp_det.posterior.conformal import conformal_level
from epropnp_det.posterior.credible_regions import NOMINAL, binomial_error, coverage
from tests.calibration.synthetic import too_sharp
from tests.pnp.scenes import seeded
from tests.tolerances import CONFORMAL_STEP, EXACT, SIGMAS

NAMES = ("one", "two")
LAYER = EProPnP4DoF(mc_samples=128)


def of_factors(number: int, first: float, second: float, seed: int = 0) -> CalibrationObjects:
    """Objects too sharp by two factors, one for each class."""
    factors = torch.tensor([first, second])[torch.arange(number) % 2]
    return too_sharp(number, factors, seed)


def error_of_log(number: int) -> float:
    """Standard deviation of a fitted log T: the cost of the true pose is half a chi square of four
    degrees.
    """
    return math.sqrt(2 / (4 * number))


@pytest.mark.parametrize("factor", [0.5, 4.0])
def test_a_known_factor_is_recovered(factor: float) -> None:
    objects = of_factors(400, factor, factor)
    found = fit(loss_table(objects, LAYER), objects.label, objects.distance, Form(), 2)
    assert abs(found.base - math.log(factor)) < SIGMAS * error_of_log(400)
    assert found.by_class == () and found.slope == 0 and found.tail_share == 0


def test_factors_of_classes_are_recovered() -> None:
    objects = of_factors(800, 6.0, 1.5)
    found = fit(loss_table(objects, LAYER), objects.label, objects.distance, Form(True), 2)
    logs = found.at(torch.arange(2), torch.ones(2)).log()
    expected = torch.tensor([6.0, 1.5]).log()
    assert (logs - expected).abs().max() < SIGMAS * error_of_log(400)


def test_calibrated_regions_hold_the_truth_at_their_rate() -> None:
    objects = of_factors(300, 4.0, 4.0, seed=1)
    before = table(reliability(objects, LAYER, Temperatures()), NAMES)
    after = table(reliability(objects, LAYER, Temperatures(base=math.log(4.0))), NAMES)
    assert after["log_density"] > before["log_density"]
    for name, shares in after["coverage"].items():
        for p in NOMINAL:
            assert abs(shares[str(p)] - p) < SIGMAS * binomial_error(p, 300), (name, p)
        assert before["coverage"][name]["0.9"] < 0.8
        assert before["volume"][name] < after["volume"][name]


def test_a_calibration_chosen_by_itself_holds_on_other_objects() -> None:
    """Two temperatures inside a class need a tail."""
    mixed = torch.where(torch.rand(600, generator=seeded(5)) < 0.2, 12.0, 1.5)
    calibration = fit_calibration(too_sharp(600, mixed, 2), NAMES, None, 128)
    assert calibration.temperatures.tail_share > 0
    other = torch.where(torch.rand(300, generator=seeded(6)) < 0.2, 12.0, 1.5)
    objects = too_sharp(300, other, 3)
    after = reliability(objects, LAYER, calibration.temperatures, calibration.levels)
    for shares in (table(after, NAMES), table(after, NAMES, calibration.levels)):
        for name, each in shares["coverage"].items():
            for p in NOMINAL:
                # Calibration and test both are samples.
                error = math.hypot(binomial_error(p, 300), binomial_error(p, 600))
                assert abs(each[str(p)] - p) < SIGMAS * error, (name, p)


def test_volumes_of_conformal_regions_are_their_own() -> None:
    objects = of_factors(20, 1.0, 1.0)
    names = ("yaw", "position", "depth", "pose")
    modest = dict.fromkeys(names, np.linspace(0, 0.5, 999))
    few = dict.fromkeys(names, np.linspace(0, 1, 3))
    found = reliability(objects, LAYER, Temperatures(), modest)
    credible = table(found, NAMES)["volume"]
    conformal = table(found, NAMES, modest)["volume"]
    assert all(conformal[name] < credible[name] for name in names)
    everything = table(reliability(objects, LAYER, Temperatures(), few), NAMES, few)["volume"]
    assert everything["yaw"] == pytest.approx(2 * math.pi) and everything["position"] is None


@pytest.mark.parametrize("p", [0.5, 0.9, 0.95])
def test_conformal_levels_hold_new_draws_between_p_and_one_share_more(p: float) -> None:
    """For levels of any distribution, here far from uniform; over calibrations of 39 draws."""
    rng = np.random.default_rng(0)
    draws = rng.beta(0.3, 4.0, size=(4000, 40))
    known = [np.array(each) for each in draws[:, :39]]
    held = [new <= conformal_level(each, p) for each, new in zip(known, draws[:, 39])]
    error = SIGMAS * binomial_error(p, len(held))
    assert p - error < np.mean(held) < p + 1 / 40 + error


def test_a_level_of_few_draws_is_everything() -> None:
    assert conformal_level(np.full(8, 0.5), 0.9) == 1.0
    uniform = (np.arange(1000) + 0.5) / 1000
    assert abs(conformal_level(uniform, 0.9) - 0.9) <= 2 * CONFORMAL_STEP
    assert coverage(uniform, conformal_level(uniform, 0.9)) >= 0.9


def test_temperature_one_changes_no_bit() -> None:
    objects = of_factors(8, 2.0, 2.0)
    estimate = LAYER.solve(objects.problem, generator=seeded(0))
    plain = LAYER.sample(objects.problem, estimate, seeded(1))
    same = CalibratedPosterior.of(objects.problem, estimate, objects.label, Temperatures())
    drawn = same.sample(LAYER, seeded(1))
    assert torch.equal(drawn.pose, plain.pose)
    assert torch.equal(drawn.log_weights, plain.log_weights)
    assert torch.equal(same.laplace.covariance, estimate.covariance)


def test_a_tail_mixes_the_distributions_of_two_temperatures() -> None:
    objects = of_factors(6, 1.0, 1.0)
    estimate = LAYER.solve(objects.problem, generator=seeded(0))
    mixture = Temperatures(tail_share=0.25, tail_factor=4.0)
    posterior = CalibratedPosterior.of(objects.problem, estimate, objects.label, mixture)
    samples = posterior.sample(LAYER, seeded(1))
    in_tail = samples.weights[-32:].sum(0)
    assert samples.pose.shape[0] == 128
    torch.testing.assert_close(in_tail, torch.full_like(in_tail, 0.25))
    assert samples.log_normalizer.abs().max() < 1e-4
    expected = estimate.covariance * (0.75 + 0.25 * 4)
    torch.testing.assert_close(posterior.laplace.covariance, expected, rtol=1e-3, atol=1e-6)


def test_a_calibration_survives_a_checkpoint(tmp_path: Path) -> None:
    temperatures = Temperatures(0.5, (0.1, -0.2), -0.3, 20.0, (0.25, 32.0), 0.2, 3.0)
    levels = dict(yaw=np.array([0.1, 0.5, 0.9]), position=np.array([0.2, 0.3]))
    written = Calibration(temperatures, levels, dict(form="all", objects=3))
    torch.save({"state_dict": {}, KEY: written.to_plain()}, tmp_path / "x.pth")
    read = Calibration.from_checkpoint(torch.load(tmp_path / "x.pth", weights_only=True))
    assert read is not None and read.temperatures == temperatures
    assert read.about == written.about
    assert all(np.array_equal(read.levels[name], levels[name]) for name in levels)
    assert Calibration.from_checkpoint({"state_dict": {}}) is None


@pytest.mark.parametrize(
    "stored",
    [
        "no dict",
        dict(version=99),
        dict(version=1),
        dict(version=1, temperatures=dict(base=1.0), levels={}, about={}),
        dict(Calibration(Temperatures()).to_plain(), levels=3),
    ],
)
def test_a_broken_calibration_is_one_line(stored: object) -> None:
    with pytest.raises(UserError, match="calibrate the checkpoint again"):
        Calibration.from_checkpoint({KEY: stored})


def test_temperatures_of_unknown_classes_and_of_the_limits() -> None:
    found = Temperatures(0.0, (math.log(2.0),), 1.0, 10.0, (0.5, 4.0))
    temperature = found.at(torch.tensor([0, -1, 7, 0, 0]), torch.tensor([10.0, 10, 10, 1e9, 0]))
    torch.testing.assert_close(temperature, torch.tensor([2.0, 1, 1, 4, 0.5]))
    with pytest.raises(UserError, match="calibrate the checkpoint again"):
        Temperatures(base=math.nan)


def test_objects_survive_a_file(tmp_path: Path) -> None:
    objects = of_factors(4, 2.0, 3.0)
    objects.save(tmp_path / "objects.npz")
    read = CalibrationObjects.load(tmp_path / "objects.npz")
    both = CalibrationObjects.cat([read, read])
    assert torch.equal(both.truth[4:], objects.truth)
    assert torch.equal(read.problem.cost(objects.truth), objects.problem.cost(objects.truth))
    (tmp_path / "broken.npz").write_bytes(b"PK\x03\x04 broken")
    with pytest.raises(UserError, match=r"broken\.npz"):
        CalibrationObjects.load(tmp_path / "broken.npz")
    with pytest.raises(UserError, match="cannot be read"):
        CalibrationObjects.load(tmp_path / "missing.npz")


def test_conformal_regions_of_detections() -> None:
    rng = np.random.default_rng(0)
    pose = torch.from_numpy(rng.normal(size=(2, 256, 4)) * [1, 0.2, 3, 0.1])
    weight = torch.full((2, 256), 1 / 256)
    weight[1] = torch.nan
    levels = dict.fromkeys(("yaw", "position", "depth", "pose"), np.linspace(0, 0.5, 999))
    stored = Calibration(Temperatures(), levels).conformal_table
    carried = stored.expand(2, *stored.shape)
    conformal, none = regions(pose, weight, carried, 0.9, "depth")
    credible = regions(pose, weight, carried, 0.9, "depth", "credible")[0]
    assert none is None and conformal is not None and credible is not None
    # Half the levels: the model was too modest.
    assert abs(conformal.level - 0.45) < 2 * CONFORMAL_STEP and credible.level == 0.9
    assert conformal.volume < credible.volume
    assert conformal.contains(np.zeros((1, 1))).all()
    assert not conformal.contains(np.full((1, 1), 9.0)).any()
    with pytest.raises(ValueError, match="calibrated checkpoint"):
        regions(pose, weight, None, 0.9, "depth", "conformal")
    with pytest.raises(ValueError, match="mc_samples"):
        regions(None, None, None, 0.9)
    with pytest.raises(ValueError, match="no quantity 'size'"):
        regions(pose, weight, None, 0.9, "size")


def test_tempering_divides_the_cost_of_every_kernel() -> None:
    from dataclasses import replace

    problem = of_factors(5, 2.0, 2.0).problem.to(torch.float64)
    pose = torch.tensor([0.5, 1.0, 15.0, 0.3], dtype=torch.float64).expand(7, 5, 4)
    temperature = torch.tensor([0.5, 1.0, 2.0, 4.0, 9.0], dtype=torch.float64)
    for robust in ("huber", "cauchy", "none"):
        each = replace(problem, robust=robust, delta=torch.full((5,), 0.7, dtype=torch.float64))
        torch.testing.assert_close(
            each.tempered(temperature).cost(pose),
            each.cost(pose) / temperature,
            rtol=EXACT,
            atol=EXACT,
        )


@pytest.mark.parametrize(("samples", "sizes"), [(512, [12]), (400_000, [3, 3, 3, 3])])
def test_parts_bound_the_memory(samples: int, sizes: list[int]) -> None:
    objects = too_sharp(12, torch.ones(12), seed=5)
    parts = list(in_parts(objects, EProPnP4DoF(mc_samples=samples)))
    assert [len(part) for part in parts] == sizes
    assert torch.cat([part.image for part in parts]).tolist() == list(range(12))

from __future__ import annotations

import math

import pytest
import torch
from scipy import stats
from torch import Tensor

from epropnp_det.pnp import SE3Pose, _quaternion
from epropnp_det.pnp.proposals.angular_central_gaussian import AngularCentralGaussian
from epropnp_det.pnp.proposals.pose_proposal import PoseProposal
from epropnp_det.pnp.proposals.student_t import StudentT
from epropnp_det.pnp.proposals.von_mises import VonMisesUniform
from tests.tolerances import EXACT, P_VALUE, QUADRATURE

from .scenes import seeded, uniform

KAPPAS = [1e-5, 1e-3, 0.01, 0.1, 1.0, 10.0, 100.0, 1e3, 1e4, 1e6]
# Inverse squares of widths: of a translation in metres, of half a rotation in radians.
CONCENTRATIONS = pytest.mark.parametrize(
    "concentration", [1e-3, 0.01, 0.1, 1.0, 10.0, 100.0, 1e3, 1e4]
)
DTYPES = pytest.mark.parametrize(
    "dtype", [torch.float32, torch.float64], ids=["float32", "float64"]
)


def student(concentration: float = 1.0, dtype: torch.dtype = torch.float64) -> StudentT:
    factor = torch.tensor([[0.5, 0.0, 0.0], [0.2, 0.1, 0.0], [2.0, -0.3, 1.0]], dtype=dtype)
    return StudentT(torch.tensor([1.0, 2.0, 3.0], dtype=dtype), factor * concentration**-0.5)


def circle(
    kappa: float, uniform: float = 0.25, dtype: torch.dtype = torch.float64
) -> VonMisesUniform:
    return VonMisesUniform(
        torch.tensor(0.7, dtype=dtype), torch.tensor(kappa, dtype=dtype), uniform
    )


def wrapped(angle: Tensor) -> Tensor:
    return torch.atan2(angle.sin(), angle.cos())


def test_student_t_density_against_scipy() -> None:
    proposal = student()
    value = proposal.sample(100, seeded(0))
    shape = (proposal.factor @ proposal.factor.mT).numpy()
    expected = stats.multivariate_t(proposal.mean.numpy(), shape, df=3).logpdf(value.numpy())
    torch.testing.assert_close(
        proposal.log_prob(value), torch.from_numpy(expected), rtol=EXACT, atol=EXACT
    )


@CONCENTRATIONS
@DTYPES
def test_student_t_draws_follow_their_density(concentration: float, dtype: torch.dtype) -> None:
    proposal = student(concentration, dtype)
    arm = (proposal.sample(20000, seeded(0)) - proposal.mean).double()
    standard = torch.linalg.solve_triangular(proposal.factor.double(), arm.mT, upper=False)
    for row in standard:
        assert stats.kstest(row.numpy(), stats.t(df=3).cdf).pvalue > P_VALUE
    # |z|^2 / 3 of a 3-variate t with df 3 follows F(3, 3): the axes share one chi-square.
    assert stats.kstest(standard.square().sum(0).numpy() / 3, stats.f(3, 3).cdf).pvalue > P_VALUE


@pytest.mark.parametrize("kappa", KAPPAS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_von_mises_density_integrates_to_one(kappa: float, dtype: torch.dtype) -> None:
    # Nodes crowd at the mean by a cubic map, so that narrow densities are resolved.
    node = torch.linspace(-1, 1, 200001, dtype=torch.float64)
    angle, slope = math.pi * node**3, 3 * math.pi * node**2
    proposal = circle(kappa, dtype=dtype)
    density = (proposal.log_prob((0.7 + angle).to(dtype)).double()).exp()
    total = torch.trapezoid(density * slope, node)
    assert abs(float(total) - 1) < (QUADRATURE if dtype == torch.float64 else 1e-3)


@pytest.mark.parametrize("kappa", KAPPAS[:8])
def test_von_mises_density_against_scipy(kappa: float) -> None:
    angle = torch.linspace(-3, 3, 61, dtype=torch.float64)
    expected = 0.75 * stats.vonmises(kappa, loc=0.7).pdf(angle.numpy()) + 0.25 / (2 * math.pi)
    torch.testing.assert_close(
        circle(kappa).log_prob(angle).exp(), torch.from_numpy(expected), rtol=EXACT, atol=EXACT
    )


@pytest.mark.parametrize("kappa", KAPPAS)
@DTYPES
def test_von_mises_draws_follow_their_density(kappa: float, dtype: torch.dtype) -> None:
    proposal = circle(kappa, uniform=1e-9, dtype=dtype)
    draws = wrapped((proposal.sample(20000, seeded(1)) - proposal.mean).double()).numpy()
    expected = stats.vonmises(kappa) if kappa < 1e4 else stats.norm(scale=kappa**-0.5)
    assert stats.kstest(draws, expected.cdf).pvalue > P_VALUE


def test_mixture_draws_follow_their_density() -> None:
    draws = wrapped(circle(20.0).sample(20000, seeded(2)) - 0.7).numpy()
    assert (
        stats.kstest(
            draws,
            lambda x: 0.75 * stats.vonmises(20.0).cdf(x) + 0.25 * (x + math.pi) / (2 * math.pi),
        ).pvalue
        > P_VALUE
    )


def sphere(concentration: float, dtype: torch.dtype = torch.float64) -> AngularCentralGaussian:
    """Its tangent d at the frame's quaternion is multivariate Cauchy, with the location and scale
    matrix of `gnomonic`.
    """
    mode = torch.tensor([0.5, -0.1, 0.7, 0.5], dtype=dtype)
    narrow = concentration**-0.5
    factor = torch.tensor(
        [
            [2.0, 0, 0, 0],
            [narrow, 2 * narrow, 0, 0],
            [0, narrow, narrow, 0],
            [-narrow, 0, 0.5 * narrow, 3 * narrow],
        ]
    )
    return AngularCentralGaussian(_quaternion.basis(mode / mode.norm()), factor.to(dtype))


def gnomonic(proposal: AngularCentralGaussian) -> tuple[Tensor, Tensor]:
    """Location (3,) and lower factor of the scale matrix (3, 3) of d = u_123 / u_0, for u = factor
    z: conditioning on u_0.
    """
    factor = proposal.factor.double() / proposal.factor[0, 0].double()
    return factor[1:, 0], factor[1:, 1:]


@CONCENTRATIONS
def test_angular_central_gaussian_density_against_scipy(concentration: float) -> None:
    proposal = sphere(concentration)
    drawn = proposal.sample(100, seeded(0))
    tangent = _quaternion.difference(proposal.frame[:, 0], drawn)
    location, factor = gnomonic(proposal)
    cauchy = stats.multivariate_t(location.numpy(), (factor @ factor.mT).numpy(), df=1).logpdf(
        tangent.numpy()
    )
    # The sphere is two hemispheres, and d = tan(angle) stretches areas by (1 + |d|^2)^2.
    expected = torch.from_numpy(cauchy) - math.log(2) + 2 * tangent.square().sum(-1).log1p()
    torch.testing.assert_close(proposal.log_prob(drawn), expected, rtol=EXACT, atol=EXACT)
    torch.testing.assert_close(proposal.log_prob(-drawn), expected, rtol=EXACT, atol=EXACT)
    torch.testing.assert_close(drawn.norm(dim=-1), torch.ones(100, dtype=torch.float64))


@CONCENTRATIONS
@DTYPES
def test_angular_central_gaussian_draws_follow_their_density(
    concentration: float, dtype: torch.dtype
) -> None:
    proposal = sphere(concentration, dtype)
    drawn = proposal.sample(20000, seeded(0)).double()
    location, factor = gnomonic(proposal)
    arm = _quaternion.difference(proposal.frame[:, 0].double().expand_as(drawn), drawn) - location
    standard = torch.linalg.solve_triangular(factor, arm.mT, upper=False)
    for row in standard:
        assert stats.kstest(row.numpy(), stats.cauchy.cdf).pvalue > P_VALUE
    # |z|^2 / 3 of a 3-variate t with df 1 follows F(3, 1).
    assert stats.kstest(standard.square().sum(0).numpy() / 3, stats.f(3, 1).cdf).pvalue > P_VALUE
    above = int((drawn @ proposal.frame[:, 0].double() > 0).sum())
    assert stats.binomtest(above, 20000).pvalue > P_VALUE


def test_a_wide_covariance_gives_uniform_rotations() -> None:
    proposal, broken = AngularCentralGaussian.laplace(
        torch.tensor([0.6, 0.0, 0.8, 0.0]).double(), 1e6 * torch.eye(3).double()
    )
    assert not broken
    torch.testing.assert_close(
        proposal.log_prob(sphere(1.0).sample(50)).exp(),
        torch.full((50,), 1 / (2 * math.pi**2)).double(),
        rtol=1e-4,
        atol=0,
    )


def test_a_narrow_covariance_is_the_scale_in_the_tangent() -> None:
    covariance = torch.tensor([[4.0, 1.0, 0.0], [1.0, 2.0, -0.5], [0.0, -0.5, 1.0]]).double() * 1e-4
    proposal, _ = AngularCentralGaussian.laplace(
        torch.tensor([0.6, 0.0, 0.8, 0.0]).double(), covariance
    )
    location, factor = gnomonic(proposal)
    torch.testing.assert_close(location, torch.zeros(3).double())
    # A thousandth of the determinant's root is added in every direction.
    torch.testing.assert_close(factor @ factor.mT, covariance, rtol=0, atol=3e-6)


@pytest.mark.parametrize("width", [1e-3, 0.05, 0.3, 1.0])
@DTYPES
def test_fit_is_nearly_the_maximum_likelihood(width: float, dtype: torch.dtype) -> None:
    mode = torch.tensor([0.5, -0.1, 0.7, 0.5], dtype=dtype)
    tangent = (
        torch.randn(2000, 3, generator=seeded(1)).to(dtype)
        * torch.tensor([1.0, 0.5, 2.0]).to(dtype)
        * width
    )
    drawn = _quaternion.step((mode / mode.norm()).expand(2000, 4), tangent)
    weight = uniform((2000,), 0.0, 1.0, seeded(2), dtype)
    weight = weight / weight.sum()
    fit, broken = AngularCentralGaussian.fit(drawn, weight)
    assert not broken
    # The same fixed point in the frame of all quaternions, until it stands still.
    best, every = torch.eye(4, dtype=torch.float64), drawn.double()
    for _ in range(100):
        squared = (every @ torch.linalg.inv(best) * every).sum(-1)
        best = torch.einsum("s,si,sj->ij", weight.double() / squared, every, every)
        best = best / best.trace()
    likelihood = AngularCentralGaussian(
        torch.eye(4).double(), torch.linalg.cholesky(best)
    ).log_prob(every)
    loss = (weight.double() * (likelihood - fit.log_prob(drawn).double())).sum()
    assert 0 < loss + EXACT < 0.02


def test_fit_does_not_care_for_signs() -> None:
    drawn = sphere(10.0).sample(200, seeded(3))
    weight = torch.full((200,), 1 / 200, dtype=torch.float64)
    first, second = (
        AngularCentralGaussian.fit(value, weight)[0]
        for value in (drawn, drawn * (torch.arange(200) % 2 * 2 - 1)[:, None])
    )
    torch.testing.assert_close(first.log_prob(drawn), second.log_prob(drawn))


@pytest.mark.parametrize("kappa", [0.0, 1e12])
def test_concentrations_out_of_range_are_clamped(kappa: float) -> None:
    for dtype in (torch.float32, torch.float64):
        proposal = circle(kappa, dtype=dtype)
        draws = proposal.sample(1000, seeded(3))
        assert draws.isfinite().all() and proposal.log_prob(draws).isfinite().all()


def test_laplace_proposal() -> None:
    covariance = torch.diag(torch.tensor([0.04, 0.01, 1.0, 0.09], dtype=torch.float64))
    covariance[0, 2] = covariance[2, 0] = 0.1
    proposal = PoseProposal.laplace(
        torch.tensor([1.0, 2.0, 30.0, 0.5], dtype=torch.float64), covariance
    )
    torch.testing.assert_close(
        proposal.translation.factor @ proposal.translation.factor.mT, covariance[:3, :3]
    )
    torch.testing.assert_close(
        proposal.orientation.concentration, torch.tensor(0.33 / 0.09, dtype=torch.float64)
    )
    assert not proposal.broken


def refitted(pose: Tensor, log_weights: Tensor) -> PoseProposal:
    return PoseProposal.laplace(
        torch.zeros(4, dtype=pose.dtype), torch.eye(4, dtype=pose.dtype)
    ).refit(pose, log_weights)


def test_refit_is_the_weighted_mean_and_covariance() -> None:
    generator = seeded(4)
    pose = (
        torch.randn(500, 4, generator=generator, dtype=torch.float64)
        * torch.tensor([0.5, 0.2, 2.0, 0.3])
        + 1.0
    )
    log_weights = torch.randn(500, generator=generator, dtype=torch.float64)
    fit, weight = refitted(pose, log_weights), log_weights.softmax(0)
    covariance = torch.cov(pose[:, :3].mT, aweights=weight, correction=0)
    torch.testing.assert_close(fit.translation.mean, (weight[:, None] * pose[:, :3]).sum(0))
    torch.testing.assert_close(
        fit.translation.factor @ fit.translation.factor.mT, covariance, rtol=1e-4, atol=1e-4
    )
    resultant = (weight * torch.exp(1j * pose[:, 3])).sum()
    r = resultant.abs()
    torch.testing.assert_close(fit.orientation.mean, resultant.angle())
    torch.testing.assert_close(fit.orientation.concentration, 0.33 * r * (2 - r**2) / (1 - r**2))


def test_refit_does_not_care_where_yaw_winds() -> None:
    pose = torch.randn(200, 4, generator=seeded(5), dtype=torch.float64)
    turned = pose.clone()
    turned[::2, 3] += 2 * math.pi
    first, second = (
        refitted(value, torch.zeros(200, dtype=torch.float64)) for value in (pose, turned)
    )
    torch.testing.assert_close(first.orientation.concentration, second.orientation.concentration)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_refit_survives_a_single_heavy_sample_and_nan(dtype: torch.dtype) -> None:
    pose = torch.randn(100, 3, 4, generator=seeded(6), dtype=torch.float64).to(dtype)
    log_weights = torch.zeros(100, 3, dtype=dtype)
    log_weights[7, 0] = 1e4
    log_weights[7, 1] = torch.nan
    first = PoseProposal.laplace(
        torch.zeros(3, 4, dtype=dtype), torch.eye(4, dtype=dtype).expand(3, 4, 4)
    )
    fit = first.refit(pose, log_weights)
    draws = fit.sample(50, seeded(7))
    assert draws.isfinite().all() and fit.log_prob(draws).isfinite().all()
    torch.testing.assert_close(fit.translation.mean[1], first.translation.mean[1])
    torch.testing.assert_close(fit.translation.mean[0], pose[7, 0, :3])


@DTYPES
def test_refit_of_rigid_poses_survives_a_single_heavy_sample_and_nan(dtype: torch.dtype) -> None:
    pose = SE3Pose.random_rotation((100, 3), torch.zeros((), dtype=torch.float64), seeded(6)).to(
        dtype
    )
    log_weights = torch.zeros(100, 3, dtype=dtype)
    log_weights[7, 0] = 1e4
    log_weights[7, 1] = torch.nan
    first = PoseProposal.laplace(
        SE3Pose.identity(pose).expand(3, 7), torch.eye(6, dtype=dtype).expand(3, 6, 6)
    )
    fit = first.refit(pose, log_weights)
    draws = fit.sample(50, seeded(7))
    assert draws.isfinite().all() and fit.log_prob(draws).isfinite().all()
    torch.testing.assert_close(fit.log_prob(pose)[:, 1], first.log_prob(pose)[:, 1])
    # Nearly all orientations within a milliradian of the only one that counts.
    assert (
        SE3Pose.difference(pose[7, 0].expand(50, 7), draws[:, 0])[:, 3:].norm(dim=-1) < 1e-3
    ).double().mean() > 0.7


def test_draws_are_told_by_the_generator() -> None:
    proposal = refitted(
        torch.randn(50, 4, dtype=torch.float64), torch.zeros(50, dtype=torch.float64)
    )
    torch.testing.assert_close(
        proposal.sample(9, seeded(1)), proposal.sample(9, seeded(1)), rtol=0, atol=0
    )
    assert not torch.equal(proposal.sample(9, seeded(1)), proposal.sample(9, seeded(2)))

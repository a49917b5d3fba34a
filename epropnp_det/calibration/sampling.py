"""Samples of calibrated distributions: tempered, with a tail."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from epropnp_det.pnp import (
    EProPnP4DoF,
    EProPnP6DoF,
    PnPProblem,
    PoseEstimate,
    PoseSamples,
    SE3Pose,
)

from .objects import CalibrationObjects
from .temperature import Temperatures

Layer = EProPnP4DoF | EProPnP6DoF
_TAIL_PART = 4  # one in so many samples is of the tail
# Samples of 6DoF poses that are drawn for each one that is kept. The proposals of Alg. 1 draw
# position and orientation apart, and where these depend on each other few samples have weight: of
# dense correspondences 6 %. Regions that are made of so few are too small.
RIGID_DRAWS = 16
# The distance of a 6DoF pose from the camera ends at so many times that of the solution: a known
# object that fills its box cannot be much farther.
FARTHEST = 4.0
# Points times samples of the objects that are sampled together, to bound the memory.
_TERMS_AT_ONCE = 50_000_000


@dataclass(frozen=True)
class CalibratedPosterior:
    """Distributions of n objects at their temperatures.

    Args:
        problem: (n,), at temperature one.
        estimate: (n,) its solutions.
        temperature: (n,), T of the first part of each mixture.
        temperatures: where it comes from.
    """

    problem: PnPProblem
    estimate: PoseEstimate
    temperature: Tensor
    temperatures: Temperatures

    @classmethod
    def of(
        cls,
        problem: PnPProblem,
        estimate: PoseEstimate,
        label: Tensor,
        temperatures: Temperatures,
    ) -> CalibratedPosterior:
        """Of objects with labels (n,)."""
        distance = estimate.pose[..., :3].norm(dim=-1)
        return cls(problem, estimate, temperatures.at(label, distance), temperatures)

    @property
    def laplace(self) -> PoseEstimate:
        """The solutions, with Hessian and cost of one temperature whose Laplace approximation has
        the covariance of the mixture.
        """
        return self.estimate.tempered(self.temperature * self.temperatures.spread)

    def parts(
        self, layer: Layer, generator: torch.Generator | None
    ) -> list[tuple[float, Tensor, PoseSamples]]:
        """Share, temperature (n,) and samples of the two parts of the mixture, or of the one part
        where it has no tail.
        """
        share = self.temperatures.tail_share
        rounds = layer.settings.amis_rounds
        number = layer.settings.mc_samples
        in_tail = rounds * (number // rounds // _TAIL_PART)
        hot = self.temperature * self.temperatures.tail_factor
        if share == 0 or in_tail == 0:
            return [(1.0, self.temperature, self._draw(layer, self.temperature, generator))]
        sizes = [number - in_tail, in_tail]
        first, tail = (
            type(layer)(**{**vars(layer.settings), "mc_samples": size}) for size in sizes
        )
        return [
            (1 - share, self.temperature, self._draw(first, self.temperature, generator)),
            (share, hot, self._draw(tail, hot, generator)),
        ]

    def sample(self, layer: Layer, generator: torch.Generator | None = None) -> PoseSamples:
        """As many weighted samples (S, n) as the layer draws. Those of a mixture have normalised
        weights, times S.
        """
        return joined(self.parts(layer, generator))

    def _draw(
        self, layer: Layer, temperature: Tensor, generator: torch.Generator | None
    ) -> PoseSamples:
        problem = self.problem.tempered(temperature)
        return draw(layer, problem, self.estimate.tempered(temperature), generator)


def draw(
    layer: Layer,
    problem: PnPProblem,
    estimate: PoseEstimate,
    generator: torch.Generator | None = None,
) -> PoseSamples:
    """The layer's samples (S, ...) of problems (...) and their solutions (...), in the frame of the
    problems; distances of 6DoF poses end at `FARTHEST` times that of the solution.
    """
    samples = layer.sample(problem, estimate, generator)
    if layer.space is not SE3Pose:
        return samples
    return samples.within(FARTHEST * estimate.pose[..., :3].norm(dim=-1))


def joined(parts: list[tuple[float, Tensor, PoseSamples]]) -> PoseSamples:
    """The samples of a mixture from those of its parts."""
    if len(parts) == 1:
        return parts[0][2]
    number = sum(len(samples.pose) for _, _, samples in parts)
    log_weights = [
        samples.log_weights.log_softmax(0) + math.log(share * number) for share, _, samples in parts
    ]
    valid = torch.stack([samples.valid for _, _, samples in parts]).all(0)
    pose = torch.cat([samples.pose for _, _, samples in parts])
    return PoseSamples(pose, torch.cat(log_weights), valid)


def _posterior(objects: CalibrationObjects, temperatures: Temperatures) -> CalibratedPosterior:
    at = objects.problem.linearize(objects.pose)
    estimate = PoseEstimate(objects.pose, at.cost, at.hessian, objects.problem.usable)
    return CalibratedPosterior.of(objects.problem, estimate, objects.label, temperatures)


@torch.no_grad()
def log_density_and_samples(
    objects: CalibrationObjects, layer: Layer, temperatures: Temperatures, seed: int
) -> tuple[Tensor, PoseSamples]:
    """Log densities (n,) of the true poses: minus the Monte Carlo loss, Eq. (5); and the samples
    (S, n).
    """
    parts = _posterior(objects, temperatures).parts(layer, torch.Generator().manual_seed(seed))
    cost = objects.problem.cost(objects.truth)
    densities = [
        math.log(share) - cost / temperature - samples.log_normalizer
        for share, temperature, samples in parts
    ]
    return torch.stack(densities).logsumexp(0), joined(parts)


def in_parts(objects: CalibrationObjects, layer: Layer) -> Iterator[CalibrationObjects]:
    """The objects in parts that are small enough to be sampled at once; one part if there is
    none.
    """
    terms = objects.problem.points.x3d.shape[-2] * layer.settings.mc_samples
    size = max(1, _TERMS_AT_ONCE // max(1, terms))
    for first in range(0, max(1, len(objects)), size):
        yield objects[first : first + size]


def loss_at(objects: CalibrationObjects, layer: Layer, temperature: float, seed: int) -> Tensor:
    """Monte Carlo losses (n,) at one temperature."""
    one = Temperatures(base=math.log(temperature), limits=(temperature, temperature))
    return -log_density_and_samples(objects, layer, one, seed)[0]

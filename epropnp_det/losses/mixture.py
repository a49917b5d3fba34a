"""Losses of predictions that are mixtures: negative log-likelihood and expected smooth L1."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from epropnp_det.pnp.losses.pose_distance import smooth_l1_norm

from .over_processes import shared_count
from .running_scale import RunningScale


class MixtureNLLLoss(RunningScale):
    """Robust Gaussian mixture NLL, divided by the running mean of the inverse standard deviation.

    The gradient with respect to the error grows with the inverse standard deviation, which rises as
    the network learns; dividing by its running mean keeps the size of that gradient through
    training. The loss may be negative: it is a negative log density, less a constant.

    Args:
        loss_weight: factor of the loss.
        delta: threshold of the Huber loss, in standard deviations; infinite for a Gaussian.
        sigma: initial value of one learnt standard deviation, in the unit of the error, for
            predictions that come without; None: `forward` is given log_std.
        momentum: share of the newest value in the running mean.
    """

    def __init__(
        self,
        loss_weight: float = 1.0,
        delta: float = math.inf,
        sigma: float | None = None,
        momentum: float = 0.1,
    ):
        super().__init__(momentum)
        self.loss_weight = loss_weight
        self.delta = delta
        self.log_sigma = None if sigma is None else nn.Parameter(torch.tensor([math.log(sigma)]))

    def forward(
        self,
        error: Tensor,
        log_weight: Tensor,
        log_std: Tensor | None = None,
        rois: Tensor | None = None,
    ) -> Tensor:
        """Mean loss, () in the units of a log density; in training mode the running mean is updated
        first. Zero where nothing is predicted. Several processes share the count of the mean.

        Args:
            error: (M, K, ..., D) of K components, prediction minus target.
            log_weight: (M, K, ...) logarithms of the mixture weights, normalised over the
                components.
            log_std: (M, K, ..., D) of the components, log of the unit of the error; None: the
                learnt sigma.
            rois: (M, 5) image index, x1, y1, x2, y2, px. The error is (M, K, H, W, D) then, a grid
                over each RoI, and a cell that lies in other RoIs of the image may be explained by
                their objects too, see `add_overlapping`.

        Raises:
            ValueError: both or none of log_std and sigma.
        """
        if self.log_sigma is not None and log_std is None:
            log_std = self.log_sigma.expand_as(error)
        elif self.log_sigma is not None or log_std is None:
            raise ValueError(
                "the standard deviation comes either from log_std or from the loss's own sigma"
            )
        weight = log_weight.detach().exp()
        inverse_std = (-log_std.detach()).exp()
        self.update_scale(
            (weight[..., None] * inverse_std).sum(), weight.sum() * inverse_std.shape[-1]
        )
        log_density = mixture_log_density(error, log_weight, log_std, self.delta)
        if rois is not None:
            log_density = add_overlapping(log_density, rois)
        count = shared_count(log_density.new_tensor(float(log_density.numel())))
        return -self.loss_weight * log_density.sum() / (count * self.scale)


class MixtureSmoothL1Loss(nn.Module):
    """Expected smooth L1 of the error norm under the mixture weights.

    Args:
        beta: where the loss turns from quadratic to linear, in the unit of the error.
        loss_weight: factor of the loss.
    """

    def __init__(self, beta: float = 1.0, loss_weight: float = 1.0):
        super().__init__()
        self.beta = beta
        self.loss_weight = loss_weight

    def forward(self, error: Tensor, log_weight: Tensor) -> Tensor:
        """Mean loss, (); zero where nothing is predicted.

        Args:
            error: (M, K, ..., D) of K components, prediction minus target.
            log_weight: (M, K, ...), normalised over the components.
        """
        expected = (log_weight.exp() * smooth_l1_norm(error, self.beta)).sum(1)
        count = shared_count(expected.new_tensor(float(expected.numel())))
        return self.loss_weight * expected.sum() / count


def mixture_log_density(
    error: Tensor, log_weight: Tensor, log_std: Tensor, delta: float = math.inf
) -> Tensor:
    """Log density of a mixture with exp(-huber(|error / std|)) as its kernel, without the constant
    that normalises the kernel.

    Args:
        error: (M, K, ..., D); the norm is over D.
        log_weight: (M, K, ...).
        log_std: (M, K, ..., D).
        delta: where the Huber loss turns linear, in standard deviations.

    Returns:
        (M, ...).
    """
    norm = (error * (-log_std).exp()).norm(dim=-1)
    # The quadratic part ends at delta, the linear part has its slope: one formula, and an infinite
    # delta makes no NaN.
    quadratic = norm.clamp(max=delta)
    huber = quadratic * (norm - quadratic / 2)
    return (log_weight - huber - log_std.sum(-1)).logsumexp(1)


def add_overlapping(log_density: Tensor, rois: Tensor) -> Tensor:
    """Adds the densities of the other objects of the image to those cells of a RoI that lie
    strictly inside their RoIs.

    Where RoIs overlap it is unknown which object a cell shows; the object that explains it best
    gets the gradient. Log densities are interpolated bilinearly and constant beyond the outermost
    cell centres.

    Args:
        log_density: (M, H, W).
        rois: (M, 5) image index, x1, y1, x2, y2, px.

    Returns:
        (M, H, W).
    """
    first, second, position = overlaps(rois, log_density.shape[-2:])
    # Interpolated for the overlapping pairs alone: most pairs of objects are far apart or in
    # different images.
    seen = F.grid_sample(
        log_density[second, None],
        position.to(log_density),
        padding_mode="border",
        align_corners=False,
    )[:, 0]
    terms = log_density.new_full((len(rois), *log_density.shape), -math.inf)
    terms[first, second] = seen.masked_fill((position.abs() >= 1).any(-1), -math.inf)
    itself = torch.arange(len(rois), device=rois.device)
    terms[itself, itself] = log_density
    return terms.logsumexp(1)


def overlaps(rois: Tensor, grid: Sequence[int]) -> tuple[Tensor, Tensor, Tensor]:
    """Pairs of different RoIs of an image that share an area, and where the cells of the first lie
    in the second.

    Args:
        rois: (M, 5) image index, x1, y1, x2, y2, px.
        grid: rows and columns of the grid of cells over a RoI.

    Returns:
        (P,) index of the first, (P,) index of the second, (P, H, W, 2) x, y of the cell centres,
        -1..1 over the second.
    """
    low = rois[:, 1:3]
    high = rois[:, 3:5]
    shared = torch.minimum(high[:, None], high) - torch.maximum(low[:, None], low)
    pair = (shared > 0).all(-1) & (rois[:, None, 0] == rois[:, 0])
    first, second = pair.fill_diagonal_(False).nonzero(as_tuple=True)
    centres = cell_centres(rois[first], grid)
    low = low[second, None, None]
    high = high[second, None, None]
    return first, second, (2 * centres - low - high) / (high - low)


def cell_centres(rois: Tensor, grid: Sequence[int]) -> Tensor:
    """(M, 5) RoIs, px, and rows and columns of the grid of cells over them -> (M, H, W, 2) x, y of
    the cell centres, px.
    """
    y, x = (
        (torch.arange(cells, device=rois.device, dtype=rois.dtype) + 0.5) / cells for cells in grid
    )
    fraction = torch.stack(torch.meshgrid(x, y, indexing="xy"), -1)
    return rois[:, None, None, 1:3] + fraction * (rois[:, 3:5] - rois[:, 1:3])[:, None, None]

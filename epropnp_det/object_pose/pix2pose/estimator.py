"""Pix2Pose as mmcv's runners and our engine call it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from epropnp_det.engine.registry import MODELS

from ..estimator import ObjectPoseEstimator
from ..patches import ImageSource
from ..structures import GroundTruth, PatchGeometry, PatchProblems, PixelMaps
from .losses import Pix2PoseLosses
from .points import PixelPointSettings, consensus, pixel_problem, shown_cells
from .second_pass import TwoPassSettings, hide, imitate, moved_cells, second_geometry


@MODELS.register_module()
class Pix2PoseEstimator(ObjectPoseEstimator):
    """Poses of known objects from coordinates of pixels and their expected errors: find the object
    in a patch, cut a better patch, and solve a robust PnP problem there.

    Poses have covariance and samples, as those of `ObjectPoseEstimator`, and a consensus.

    Args:
        backbone, neck, head: configs. The neck returns one map for the `Pix2PoseHead`.
        losses: arguments of `Pix2PoseLosses`.
        train_cfg: `pnp`, settings of `EProPnP6DoF` in training; `imitate_second_pass`, share of the
            patches without background (default: 0.5).
        test_cfg: as of `ObjectPoseEstimator`, and `two_pass`, fields of `TwoPassSettings` to
            change.
        points: fields of `PixelPointSettings` to change.
    """

    POINTS = PixelPointSettings
    LOSSES = Pix2PoseLosses
    points: PixelPointSettings

    def __init__(self, train_cfg: Mapping[str, Any], test_cfg: Mapping[str, Any], **settings: Any):
        super().__init__(train_cfg=train_cfg, test_cfg=test_cfg, **settings)
        self.imitated = float(train_cfg.get("imitate_second_pass", 0.5))
        self.two_pass = TwoPassSettings(**test_cfg.get("two_pass", {}))

    @property
    def cuts_patches(self) -> bool:
        return self.two_pass.outer is not None

    def augmented(
        self, img: Tensor, gt: GroundTruth, generator: torch.Generator | None = None
    ) -> Tensor:
        """Patches (B, 3, H, W) of which a share is as in the second pass."""
        if gt.mask is None:
            return img
        return imitate(img, gt.mask, self.imitated, generator)

    def correspond(
        self,
        img: Tensor,
        geometry: PatchGeometry,
        source: ImageSource | None = None,
        generators: Sequence[torch.Generator] | None = None,
    ) -> PatchProblems:
        """The problems of B patches: those of the second pass that most cells agree with. Without
        the images, those of the first.
        """
        first = self.maps(img, geometry)
        if source is None or self.two_pass.outer is None:
            return self._judged(first, geometry, generators)
        best, *others = (
            self._second_pass(first, geometry, source, outer, img.shape[-1], generators)
            for outer in self.two_pass.outer
        )
        for found in others:
            better = found.agreement > best.agreement
            best = found.torch_where(better, best)
        return best

    def _second_pass(
        self,
        first: PixelMaps,
        geometry: PatchGeometry,
        source: ImageSource,
        outer: float,
        size: int,
        generators: Sequence[torch.Generator] | None,
    ) -> PatchProblems:
        """The problems of new patches around the cells of an expected error below `outer`."""
        kept = shown_cells(first, outer)
        around = second_geometry(geometry, kept, self.two_pass.scale)
        img = source.patches(around, size)
        if self.two_pass.hide_background:
            # An object of which the first pass keeps nothing keeps its background.
            shown = (
                moved_cells(kept, geometry, around, size) | ~kept.any(-1).any(-1)[..., None, None]
            )
            img = hide(img, shown)
        return self._judged(self.maps(img, around), around, generators)

    def _judged(
        self,
        maps: PixelMaps,
        geometry: PatchGeometry,
        generators: Sequence[torch.Generator] | None,
    ) -> PatchProblems:
        """The problems of maps (B,), and the consensus at their solutions."""
        used = shown_cells(maps, self.points.inner)
        problem = pixel_problem(maps, geometry, self.points, used)
        poses = self.posteriors(problem, generators)
        share = consensus(problem, poses.pose, maps, geometry, self.points)
        share = share.masked_fill(~poses.valid, 0)
        return PatchProblems(problem, geometry, maps.noc, share)

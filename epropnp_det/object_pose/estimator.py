"""The object-pose network as mmcv's runners and our engine call it."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import torch
from mmcv import Config
from mmdet.models.builder import build_backbone, build_head, build_neck
from mmdet.models.detectors.base import BaseDetector
from torch import Tensor, nn

from epropnp_det.calibration.sampling import RIGID_DRAWS, CalibratedPosterior, draw
from epropnp_det.calibration.stored import Calibration
from epropnp_det.engine.registry import MODELS
from epropnp_det.errors import DataWarning, UserError
from epropnp_det.pnp import EProPnP6DoF, PnPProblem, PoseEstimate, PoseSamples, gauss_newton

from .patches import ImageSource
from .problem import PointSettings, problem_of_all_cells
from .ransac import ransac_epnp_start
from .released.epnp import epnp_start
from .structures import (
    GroundTruth,
    ObjectPoses,
    PatchGeometry,
    PatchProblems,
)
from .training.losses import ObjectPoseLosses
from .views import around_object, joined

# How a test starts: the layer's random start, or a function from problem (B,) to poses (B, 7).
STARTS = {"random": None, "epnp": epnp_start, "ransac_epnp": ransac_epnp_start}

_ONE_PASS = (
    "the data has no whole images for the second pass of the model, so there is one pass; "
    "set data.test.whole_image=True"
)


@MODELS.register_module()
class ObjectPoseEstimator(BaseDetector):
    """Poses of known objects from square patches of images.

    Args:
        backbone, neck, head: configs. The neck returns one map for the `CorrespondenceHead`.
        losses: `coordinate`, `pose`, `position`, `orientation` and the switches of
            `ObjectPoseLosses`.
        train_cfg: `pnp`, settings of `EProPnP6DoF` in training.
        test_cfg: `pnp`, settings of `EProPnP6DoF` in a test; `start`, 'random', 'epnp' or
            'ransac_epnp'; `samples`, whether results have pose samples (default: they have none);
            `views`, sides of the patches that a second pass adds to the first, in longer sides of
            the object's projected box (default: no second pass).
        points: fields of `PointSettings` to change.

    Raises:
        ValueError: no start of that name, or a side of `views` that is not positive.
        TypeError: a setting that does not exist; the message names it.
    """

    POINTS: Callable[..., Any] = PointSettings
    LOSSES: Callable[..., nn.Module] = ObjectPoseLosses
    cfg: Config  # the whole config, which `init_model` sets

    def __init__(
        self,
        backbone: Mapping[str, Any],
        neck: Mapping[str, Any],
        head: Mapping[str, Any],
        losses: Mapping[str, Any],
        train_cfg: Mapping[str, Any],
        test_cfg: Mapping[str, Any],
        points: Mapping[str, Any] | None = None,
        init_cfg: dict | None = None,
    ):
        super().__init__(init_cfg)
        self.backbone = build_backbone(backbone)
        self.neck = build_neck(neck)
        self.head = build_head(head)
        self.points = self.POINTS(**(points or {}))
        self.losses = self.LOSSES(**losses, pnp=train_cfg["pnp"], points=self.points)
        self.start = test_cfg["start"]
        if self.start not in STARTS:
            raise ValueError(f"test_cfg: unknown start {self.start!r}; use one of {tuple(STARTS)}")
        self.views = tuple(test_cfg.get("views", ()))
        if not all(side > 0 for side in self.views):
            raise ValueError(f"test_cfg: views must be positive, not {self.views}")
        self.with_samples = bool(test_cfg.get("samples", False))
        pnp = dict(test_cfg["pnp"])
        self.layer = EProPnP6DoF(**(pnp if self.start == "random" else dict(pnp, init=None)))
        # That of the checkpoint, which `init_model` sets.
        self.calibration: Calibration | None = None

    def read_calibration(self, checkpoint: Mapping[str, Any]) -> None:
        """Takes the calibration of a checkpoint, see `engine.checkpoint.HasCalibration`."""
        self.calibration = Calibration.from_checkpoint(checkpoint)

    def forward(
        self,
        img: Tensor,
        origin: Tensor,
        side: Tensor,
        matrix: Tensor,
        half_extent: Tensor,
        object_index: Tensor,
        return_loss: bool = True,
        rescale: bool = False,
        **kwargs: Any,
    ) -> dict[str, Tensor] | list[dict[str, ObjectPoses]]:
        """Losses of B patches with `return_loss`, else one result for each patch.

        Args:
            img: (B, 3, H, W).
            origin, side, matrix, half_extent, object_index: fields of `PatchGeometry`.
            rescale: ignored; poses are in the camera frame whatever the patch.
            kwargs: further arguments of `forward_train` or `simple_test`.

        Raises:
            UserError: the head has no channels for an object.
        """
        objects = self.head.objects
        if objects is not None and object_index.max() >= objects:
            raise UserError(
                f"the head has channels for {objects} objects and the data has more; set "
                "model.head.objects to the number of objects of the data"
            )
        geometry = PatchGeometry(origin, side, matrix, half_extent, object_index)
        work = self.forward_train if return_loss else self.simple_test
        return work(img, geometry, **kwargs)

    def train_step(
        self,
        data: dict[str, Any],
        optimizer: object,
        generator: torch.Generator | None = None,
    ) -> dict[str, Any]:
        """Loss, numbers for the log and number of patches of a batch, in the form of mmcv's
        runners.
        """
        loss, log_vars = self._parse_losses(self(**data, generator=generator))
        return dict(loss=loss, log_vars=log_vars, num_samples=len(data["img"]))

    def extract_feat(self, img: Tensor) -> Tensor:
        """(B, 3, H, W) -> the neck's map (B, F, h, w)."""
        return self.neck(self.backbone(img))

    def maps(self, img: Tensor, geometry: PatchGeometry) -> Any:
        """What the network predicts of patches (B, 3, H, W)."""
        return self.head(self.extract_feat(img), geometry.object_index)

    def forward_train(
        self,
        img: Tensor,
        geometry: PatchGeometry,
        gt_pose: Tensor,
        gt_noc: Tensor | None = None,
        gt_mask: Tensor | None = None,
        symmetries: Tensor | None = None,
        vertices: Tensor | None = None,
        generator: torch.Generator | None = None,
    ) -> dict[str, Tensor]:
        """Losses of B patches; the other arguments are the fields of `GroundTruth`."""
        gt = GroundTruth(gt_pose, gt_noc, gt_mask, symmetries, vertices)
        maps = self.maps(self.augmented(img, gt, generator), geometry)
        return self.losses(maps, geometry, gt, generator)

    @property
    def cuts_patches(self) -> bool:
        """Whether `correspond` cuts patches of its own from the whole images."""
        return bool(self.views)

    def augmented(
        self, img: Tensor, gt: GroundTruth, generator: torch.Generator | None = None
    ) -> Tensor:
        """The patches (B, 3, H, W) that the network is trained on: as they are."""
        return img

    @torch.no_grad()
    def estimate(
        self,
        img: Tensor,
        geometry: PatchGeometry,
        generators: Sequence[torch.Generator] | None = None,
        mc_samples: int | None = None,
        source: ImageSource | None = None,
    ) -> ObjectPoses:
        """Poses of B patches, in the camera frame.

        Args:
            img: (B, 3, H, W).
            generators: one for each patch, for the random start and the pose samples. The pose of
                a patch then does not depend on the rest of its batch. None: torch's own for all.
            mc_samples: number of weighted pose samples of each object; None for none.
            source: the whole images, for networks that cut patches of their own.
        """
        found = self.correspond(img, geometry, source, generators)
        index = geometry.object_index
        poses = self.posteriors(found.problem, generators, mc_samples, index)
        return replace(poses, consensus=found.consensus)

    def correspond(
        self,
        img: Tensor,
        geometry: PatchGeometry,
        source: ImageSource | None = None,
        generators: Sequence[torch.Generator] | None = None,
    ) -> PatchProblems:
        """The problems that the network makes of B patches and, with the images, of the views of
        the settings; arguments as of `estimate`.
        """
        maps = self.maps(img, geometry)
        problem = problem_of_all_cells(maps, geometry, self.points)
        if source is not None and self.views:
            pose = self.posteriors(problem, generators).pose
            problems = [problem]
            for side in self.views:
                around = around_object(geometry, problem.camera, pose, side)
                again = self.maps(source.patches(around, img.shape[-1]), around)
                problems.append(problem_of_all_cells(again, around, self.points))
            problem = joined(problems, self.points.relative_delta)
        return PatchProblems(problem, geometry, maps.noc)

    def posteriors(
        self,
        problem: PnPProblem,
        generators: Sequence[torch.Generator] | None = None,
        mc_samples: int | None = None,
        object_index: Tensor | None = None,
    ) -> ObjectPoses:
        """`posterior` of the problem (B,), with a generator for each object or torch's own."""
        if generators is None:
            return self.posterior(problem, None, mc_samples, object_index)
        number = len(generators)
        labels = [None] * number if object_index is None else object_index.split(1)
        return ObjectPoses.cat(
            [
                self.posterior(problem[index : index + 1], generator, mc_samples, label)
                for index, generator, label in zip(range(number), generators, labels)
            ]
        )

    def posterior(
        self,
        problem: PnPProblem,
        generator: torch.Generator | None = None,
        mc_samples: int | None = None,
        object_index: Tensor | None = None,
    ) -> ObjectPoses:
        """Solutions and, with `mc_samples`, pose samples (Alg. 1) of the problem (B,).

        Args:
            problem: (B,).
            generator: draws the random start and the samples.
            mc_samples: number of weighted samples of each object; None for none. The layer draws
                `RIGID_DRAWS` times as many.
            object_index: (B,) for the temperatures of a calibration; None or -1 for an unknown
                object.
        """
        estimate = self.solve(problem, generator)
        covariance = estimate.covariance_of("rotation_vector")
        poses = ObjectPoses(estimate.pose, covariance, estimate.cost, estimate.valid)
        if self.calibration is None:
            if mc_samples is None:
                return poses
            samples = draw(self.sampler(mc_samples), problem, estimate, generator)
            return add_samples(poses, samples.thinned(mc_samples))
        if object_index is None:
            object_index = torch.full(problem.shape, -1, device=problem.device)
        posterior = self.calibration.posterior(problem, estimate, object_index)
        poses = add_calibrated(poses, posterior)
        if mc_samples is None:
            return poses
        samples = posterior.sample(self.sampler(mc_samples), generator)
        levels = self.calibration.conformal_table.to(poses.pose)
        levels = levels.expand(len(poses.pose), *levels.shape)
        return replace(add_samples(poses, samples.thinned(mc_samples)), conformal_levels=levels)

    def sampler(self, mc_samples: int) -> EProPnP6DoF:
        """The layer of the tests, which draws enough samples to keep so many."""
        settings = dict(vars(self.layer.settings), mc_samples=RIGID_DRAWS * mc_samples)
        return EProPnP6DoF(**settings)

    def solve(self, problem: PnPProblem, generator: torch.Generator | None = None) -> PoseEstimate:
        """The poses of lowest cost, Eq. (11), of the problem (B,), from the start of the
        settings.
        """
        start_of = STARTS[self.start]
        if start_of is None:
            return self.layer.solve(problem, generator=generator)
        start = start_of(problem)
        if self.layer.settings.solver == "gauss_newton":
            # As the released programs test: the layer would centre the object points first. Without
            # iterations the start is the result.
            return gauss_newton(problem, start, self.layer.settings.lm_iterations)
        return self.layer.solve(problem, start, generator)

    def simple_test(
        self,
        img: Tensor,
        geometry: PatchGeometry,
        generators: Sequence[torch.Generator] | None = None,
        image: Tensor | None = None,
        black: Tensor | None = None,
    ) -> list[dict[str, ObjectPoses]]:
        """One dict with the `object_pose` (a batch of one, on the CPU) for each patch. Without
        generators each patch has one with seed 0. `image` and `black` are those of `ImageSource`.

        Warns:
            DataWarning: the settings have a second pass, and there are no images for it.
        """
        if generators is None:
            generators = [torch.Generator(img.device).manual_seed(0) for _ in img]
        mc_samples = self.layer.settings.mc_samples if self.with_samples else None
        source = None if image is None or black is None else ImageSource(image, black)
        if source is None and self.cuts_patches:
            warnings.warn(_ONE_PASS, DataWarning, stacklevel=2)
        poses = self.estimate(img, geometry, generators, mc_samples, source).to("cpu")
        return [dict(object_pose=poses[index : index + 1]) for index in range(len(img))]

    def aug_test(self, imgs, img_metas, **kwargs):
        """Not supported.

        Raises:
            NotImplementedError: always.
        """
        raise NotImplementedError(
            "test one patch of each object: test-time augmentation is not supported"
        )


def add_calibrated(poses: ObjectPoses, posterior: CalibratedPosterior) -> ObjectPoses:
    """Poses (B,) with the covariances and temperatures of calibrated posteriors (B,)."""
    covariance = posterior.laplace.covariance_of("rotation_vector")
    return replace(poses, covariance=covariance, temperature=posterior.temperature)


def add_samples(poses: ObjectPoses, samples: PoseSamples) -> ObjectPoses:
    """Poses (B,) with their samples (S, B)."""
    weight = samples.weights.where(samples.valid, torch.nan)
    return replace(poses, sample_pose=samples.pose.transpose(0, 1), sample_weight=weight.T)

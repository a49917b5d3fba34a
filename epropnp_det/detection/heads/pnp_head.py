"""The detection head: dense queries, their correspondences, and the pose distribution of each by
EPro-PnP.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import torch
from mmcv.runner import BaseModule
from mmdet3d.models.builder import HEADS, build_head
from torch import Tensor

from epropnp_det.calibration.stored import Calibration
from epropnp_det.pnp import Camera, EProPnP4DoF, PnPProblem, PoseEstimate, PoseSamples

from ..boxes import Boxes3D
from ..data.class_set import class_set
from ..image_geometry import ImageGeometry
from ..structures.dense import DenseOutputs, DensePoints
from ..structures.ground_truth import GroundTruth
from ..structures.lidar import LidarPoints
from ..structures.predictions import ObjectPredictions, ScoredObjects
from ..structures.queries import Queries, gather_queries
from ..training.auxiliary_losses import auxiliary_losses
from ..training.dense_losses import dense_losses
from ..training.loss_functions import build_losses
from ..training.object_losses import PoseTraining, QueryTargets, object_losses
from ..training.targets import (
    Assignment,
    AssignmentSettings,
    QuerySample,
    assign,
    sample_queries,
    shared_weights,
)
from . import flip_tta
from .auxiliary_head import AuxiliaryHead, AuxiliarySettings, Regions, mean_by_object
from .object_head import ObjectHead, ObjectSettings
from .postprocess import PostprocessSettings, best_of, candidates, select_pairs, select_queries
from .scoring import expected_score

TRAIN_SETTINGS = frozenset({"queries_per_image", "assignment", "pnp"})


@HEADS.register_module()
class EProPnPHead(BaseModule):
    """From the feature pyramid to losses or detections.

    Args:
        dense_head: config of the dense head.
        objects: fields of `ObjectSettings`.
        losses: configs of the losses by name: cls, reference, centerness, bbox (or None); pose,
            size, score, velocity, attribute; the two weights position and orientation of the
            derivative regularisation; and, with an auxiliary head, projection, coordinate and depth
            (each may be left out).
        train_cfg: `queries_per_image`, `assignment` (see `AssignmentSettings`), `pnp` (settings of
            `EProPnP4DoF`).
        test_cfg: fields of `PostprocessSettings`, and `pnp`.
        classes: fields of `ClassSet`; None means nuScenes.
        num_classes, num_attributes: keys of earlier configs, compared with `classes`.
        auxiliary: fields of `AuxiliarySettings`; None trains without the auxiliary head.
        gradients: fields of `GradientSettings`.

    Raises:
        ValueError: losses of the auxiliary head without it, or numbers that disagree with
            `classes`.
        TypeError: a setting of `objects`, `losses`, `pnp`, `assignment`, `gradients`, `train_cfg`
            or `test_cfg` that does not exist; the message names it.
    """

    def __init__(
        self,
        dense_head: dict,
        objects: dict,
        losses: dict,
        train_cfg: dict,
        test_cfg: dict,
        classes: dict | None = None,
        num_classes: int | None = None,
        num_attributes: int | None = None,
        auxiliary: dict | None = None,
        gradients: dict | None = None,
        init_cfg: dict | None = None,
    ):
        super().__init__(init_cfg)
        self.classes = class_set(classes)
        number = len(self.classes.class_names)
        if num_classes not in (None, number):
            raise ValueError(f"num_classes={num_classes}, but there are {number} class_names")
        if num_attributes not in (None, len(self.classes.attributes)):
            raise ValueError(
                f"num_attributes={num_attributes}, but there are "
                f"{len(self.classes.attributes)} attributes"
            )
        self.dense_head = build_head(dict(dense_head, num_classes=number))
        self.objects = ObjectHead(
            self.classes, dense_head["in_channels"], ObjectSettings.from_config(objects)
        )
        for name in train_cfg.keys() - TRAIN_SETTINGS:
            raise TypeError(
                f"train_cfg: unknown setting {name!r}; use {', '.join(sorted(TRAIN_SETTINGS))}"
            )
        self.queries_per_image = train_cfg["queries_per_image"]
        self.assignment = AssignmentSettings(**train_cfg["assignment"])
        strides = self.dense_head.strides
        if len(self.assignment.ranges) != len(strides):
            raise ValueError(
                f"train_cfg.assignment.ranges has {len(self.assignment.ranges)} pairs, but the "
                f"dense head has {len(strides)} strides; write one pair for each"
            )
        self.postprocess = PostprocessSettings(**{k: v for k, v in test_cfg.items() if k != "pnp"})
        self.test_pnp = EProPnP4DoF(**test_cfg["pnp"])
        self.losses = build_losses(losses, auxiliary is not None)
        self.pose_training = PoseTraining.from_config(train_cfg["pnp"], losses, gradients or {})
        self.auxiliary = None if auxiliary is None else self._auxiliary_head(auxiliary)
        # That of the checkpoint, which `init_model` sets.
        self.calibration: Calibration | None = None

    def class_wise_keys(self) -> set[str]:
        """Names of the weights that have a part for each class, or for each attribute."""
        owners = {"dense_head.conv_cls", "objects.branches.attribute"}
        if self.dense_head.class_wise_offset:
            owners.add("dense_head.conv_offset")
        if self.objects.branches.class_wise_size:
            owners.add("objects.branches.size")
        keys = {key for key in self.state_dict() if key.rpartition(".")[0] in owners}
        return keys | ({"objects.class_embedding"} & self.state_dict().keys())

    def _auxiliary_head(self, settings: dict) -> AuxiliaryHead:
        sampler = self.objects.sampler
        return AuxiliaryHead(
            sampler.heads,
            sampler.out_proj.in_features // sampler.heads,
            sampler.stride,
            AuxiliarySettings(**settings),
            depth="depth" in self.losses,
        )

    def loss(
        self,
        feats: list[Tensor],
        geometry: ImageGeometry,
        gts: list[GroundTruth],
        generator: torch.Generator | None = None,
        lidar: LidarPoints | None = None,
    ) -> dict[str, Tensor]:
        """Losses of a batch of B images.

        Args:
            feats: (B, C, H, W) of each level.
            geometry: B images.
            gts: boxes of each image, possibly none.
            generator: draws the query sample, the random start and the pose samples; None means
                the global one of torch.
            lidar: points of the batch, owners counted through its boxes; None where no loss needs
                them.

        Raises:
            UserError: a loss needs LiDAR points and there are none.
        """
        outputs = self.dense(feats)
        points = self.dense_head.flatten(outputs)
        gt = GroundTruth.cat(gts)
        assignment = self.assign(outputs, points, gts)
        losses = dense_losses(self.losses, points, assignment, gt)
        count = self.queries_per_image * len(gts)
        sample = sample_queries(assignment, count, generator)
        index = assignment.gt_index[sample.point]
        sample = shared_weights(sample, index)
        targets = self.query_targets(gt[index], sample, count)
        queries = gather_queries(points, sample.point, targets.gt.label)
        maps = self.objects.dense_maps(feats, geometry)
        predictions, problem = self.correspondences(maps, geometry, queries)
        losses |= object_losses(
            self.losses, self.pose_training, predictions, problem, targets, generator
        )
        if self.auxiliary is None:
            return losses
        regions, present = self.regions(queries, predictions, gt, index, sample.weight, geometry)
        mine = None if lidar is None else lidar.of_objects(present)
        return losses | auxiliary_losses(
            self.losses, self.auxiliary, maps, regions, geometry.camera, mine
        )

    def query_targets(self, gt: GroundTruth, sample: QuerySample, count: int) -> QueryTargets:
        """Targets of M queries.

        Args:
            gt: (M,) the box of each query.
            sample: the queries.
            count: number of queries that the batch should have.
        """
        size_code = self.objects.branches.coder.encode(gt.size, gt.label)
        return QueryTargets(gt, size_code, sample.weight, sample.uniform_weight, count)

    def regions(
        self,
        queries: Queries,
        predictions: ObjectPredictions,
        gt: GroundTruth,
        index: Tensor,
        weight: Tensor,
        geometry: ImageGeometry,
    ) -> tuple[Regions, Tensor]:
        """The boxes of the batch that have queries, as the auxiliary losses take them.

        Args:
            queries, predictions: M queries.
            gt: boxes of the whole batch.
            index: (M,) index of the box of each query.
            weight: (M,) of each query.
            geometry: the images of the batch.

        Returns:
            G regions, and which of the boxes they are, bool.
        """
        present = index.new_zeros(len(gt), dtype=torch.bool).index_fill(0, index, True)
        number = (present.cumsum(0) - 1)[index]
        total = int(present.sum())
        heads = self.objects.sampler.heads
        query = self.objects.attention_query(queries, geometry).unflatten(1, (heads, -1))
        query = mean_by_object(query, number, weight, total)
        size = mean_by_object(predictions.size, number, weight, total)
        image = index.new_zeros(len(gt)).index_copy(0, index, queries.image)[present]
        return Regions(image, gt[present], geometry.camera[image], query, size), present

    def dense(self, feats: list[Tensor]) -> DenseOutputs:
        """Dense outputs of the coarsest levels, as many as the dense head has strides; a finer one
        serves the dense maps alone.
        """
        return self.dense_head(feats[-len(self.dense_head.strides) :])

    def assign(
        self, outputs: DenseOutputs, points: DensePoints, gts: list[GroundTruth]
    ) -> Assignment:
        """Targets of all dense points, image-major; boxes are counted through the batch."""
        device = points.grid.device
        sizes = torch.tensor([m[0, 0].numel() for m in outputs.cls_score], device=device)
        level = torch.arange(len(sizes), device=device).repeat_interleave(sizes)
        grid = points.grid[: len(level)]
        stride = points.stride[: len(level)]
        parts = []
        first = 0
        for gt in gts:
            part = assign(grid, stride, level, gt, self.assignment)
            index = torch.where(part.gt_index >= 0, part.gt_index + first, -1)
            parts.append(replace(part, gt_index=index))
            first += len(gt)
        return Assignment.cat(parts)

    def correspondences(
        self, maps: tuple[Tensor, Tensor], geometry: ImageGeometry, queries: Queries
    ) -> tuple[ObjectPredictions, PnPProblem]:
        """Predictions of M queries and their PnP problems (M,).

        Args:
            maps: keys and values (B, E, H, W).
            geometry: B images.
            queries: M queries.
        """
        predictions = self.objects(queries, maps, geometry)
        camera = geometry.camera[queries.image]
        through_x2d = self.pose_training.gradients.delta_to_x2d
        return predictions, build_problem(predictions, camera, through_x2d)

    @torch.no_grad()
    def detect(
        self,
        feats: list[Tensor],
        geometry: ImageGeometry,
        generators: Sequence[torch.Generator] | None = None,
        mirrored: list[Tensor] | None = None,
        mc_samples: int | None = None,
    ) -> list[Boxes3D]:
        """Detections of each of B images.

        Args:
            feats: (B, C, H, W) of each level.
            geometry: B images.
            generators: one per image, for the random start and the pose samples, so that a result
                does not depend on the other images of the batch; None means the global one of
                torch.
            mirrored: features of the mirrored images, see `flip_tta`; None uses the images alone.
            mc_samples: number of weighted samples of every pose in the detections, see `sampler`;
                None for none.
        """
        objects = self.find_objects(feats, geometry, mirrored)
        return self.detect_objects(objects, geometry, generators, mc_samples)

    @torch.no_grad()
    def detect_objects(
        self,
        objects: ScoredObjects,
        geometry: ImageGeometry,
        generators: Sequence[torch.Generator] | None = None,
        mc_samples: int | None = None,
    ) -> list[Boxes3D]:
        """Detections of each of B images from their objects, before the poses are solved; other
        arguments as of `detect`.
        """
        sampler = None if mc_samples is None else self.sampler(mc_samples)
        images = len(geometry.image_size)
        per_image: Sequence[torch.Generator | None] = generators or [None] * images
        detections = []
        solved = self.solve_objects(objects, geometry, per_image)
        for generator, (found, problem, estimate) in zip(per_image, solved):
            if self.calibration is not None:
                found = calibrated(self.calibration, found, problem, estimate, sampler, generator)
            elif sampler is not None:
                found = with_samples(found, sampler.sample(problem, estimate, generator))
            if sampler is not None:
                found = replace(found, points=problem.points)
            detections.append(found)
        return detections

    @torch.no_grad()
    def solved_images(
        self,
        feats: list[Tensor],
        geometry: ImageGeometry,
        generators: Sequence[torch.Generator | None],
        mirrored: list[Tensor] | None = None,
    ) -> Iterator[tuple[Boxes3D, PnPProblem, PoseEstimate]]:
        """`detect_in_image` of each of B images, not calibrated; arguments as of `detect`."""
        objects = self.find_objects(feats, geometry, mirrored)
        yield from self.solve_objects(objects, geometry, generators)

    @torch.no_grad()
    def solve_objects(
        self,
        objects: ScoredObjects,
        geometry: ImageGeometry,
        generators: Sequence[torch.Generator | None],
    ) -> Iterator[tuple[Boxes3D, PnPProblem, PoseEstimate]]:
        """`detect_in_image` of each of B images; arguments as of `detect_objects`."""
        images = len(geometry.image_size)
        for image, generator in zip(range(images), generators, strict=True):
            mine = (objects.image == image).nonzero()[:, 0]
            yield self.detect_in_image(objects[mine], geometry[image], generator)

    def detect_in_image(
        self,
        objects: ScoredObjects,
        geometry: ImageGeometry,
        generator: torch.Generator | None,
    ) -> tuple[Boxes3D, PnPProblem, PoseEstimate]:
        """Poses, scores and duplicate removal of the objects of one image.

        Args:
            objects: M of the image.
            geometry: the image, unbatched.
            generator: draws the random start, and the pose samples that score the objects.

        Returns:
            n detections, best first, their problems and their solutions.
        """
        predictions = objects.predictions
        camera = geometry.camera[None].expand(len(objects.class_score))
        problem = build_problem(predictions, camera)
        estimate = self.test_pnp.solve(problem, generator=generator)
        score = self.localization_score(predictions, problem, estimate, generator)
        admitted = torch.tensor(self.classes.admitted, device=score.device)
        scores = objects.class_score * score
        found = candidates(predictions, estimate, scores, objects.label, admitted)
        best = best_of(found, estimate.valid, geometry, self.postprocess)
        return found[best], problem[best], estimate[best]

    def sampler(self, mc_samples: int) -> EProPnP4DoF:
        """The layer of the test with another number of samples.

        Raises:
            ValueError: a number that is no multiple of the rounds.
        """
        return EProPnP4DoF(**dict(vars(self.test_pnp.settings), mc_samples=mc_samples))

    def find_objects(
        self, feats: list[Tensor], geometry: ImageGeometry, mirrored: list[Tensor] | None = None
    ) -> ScoredObjects:
        """The objects of B images, before their poses are solved; arguments as of `detect`."""
        if mirrored is None:
            queries, class_score, predictions = self.predict(feats, geometry)
        else:
            queries, class_score, predictions = self.predict_with_mirror(feats, mirrored, geometry)
        return ScoredObjects(queries.image, queries.label, class_score, predictions)

    def predict(
        self, feats: list[Tensor], geometry: ImageGeometry
    ) -> tuple[Queries, Tensor, ObjectPredictions]:
        """M queries, their (M,) class scores, and their predictions."""
        points = self.dense_head.flatten(self.dense(feats))
        queries, class_score = select_queries(points, len(geometry.image_size), self.postprocess)
        maps = self.objects.dense_maps(feats, geometry)
        return queries, class_score, self.objects(queries, maps, geometry)

    def predict_with_mirror(
        self, feats: list[Tensor], mirrored: list[Tensor], geometry: ImageGeometry
    ) -> tuple[Queries, Tensor, ObjectPredictions]:
        """`predict` from the features of images and of mirrored images: each object has the points
        of both.
        """
        width = geometry.image_size[:, 0]
        strides = self.dense_head.strides
        points = self.dense_head.flatten(self.dense(feats))
        mirrored_points = self.dense_head.flatten(
            flip_tta.realign(self.dense(mirrored), width, strides)
        )
        row, label, class_score = select_pairs(
            flip_tta.pool(points, mirrored_points), len(width), self.postprocess
        )
        queries = gather_queries(points, row, label)
        mirrored_queries = gather_queries(mirrored_points, row, label)
        mirrored_geometry = replace(geometry, camera=geometry.camera.flip(width))
        predictions = self.objects(queries, self.objects.dense_maps(feats, geometry), geometry)
        mirrored_maps = self.objects.dense_maps(mirrored, mirrored_geometry)
        other = self.objects(mirrored_queries, mirrored_maps, mirrored_geometry)
        other = flip_tta.unmirror(other, width[queries.image])
        return queries, class_score, flip_tta.merge(predictions, other)

    def localization_score(
        self,
        predictions: ObjectPredictions,
        problem: PnPProblem,
        estimate: PoseEstimate,
        generator: torch.Generator | None,
    ) -> Tensor:
        """(M,) localisation score in [0, 1]; ones where the settings use the class score alone."""
        ratio = self.postprocess.mc_scoring_ratio
        if not self.postprocess.score_3d:
            return torch.ones_like(predictions.score)
        predicted = predictions.score.sigmoid()
        if ratio == 0:
            return predicted
        samples = self.test_pnp.sample(problem, estimate, generator)
        return torch.lerp(predicted, expected_score(samples, estimate.pose).to(predicted), ratio)


def calibrated(
    calibration: Calibration,
    found: Boxes3D,
    problem: PnPProblem,
    estimate: PoseEstimate,
    sampler: EProPnP4DoF | None,
    generator: torch.Generator | None,
) -> Boxes3D:
    """Detections with calibrated covariances and temperatures; with a sampler also samples and the
    levels of conformal regions. Poses and scores stay as they are.
    """
    posterior = calibration.posterior(problem, estimate, found.label)
    found = replace(
        found, covariance=posterior.laplace.covariance, temperature=posterior.temperature
    )
    if sampler is None:
        return found
    found = with_samples(found, posterior.sample(sampler, generator))
    levels = calibration.conformal_table.to(found.pose)
    return replace(found, conformal_levels=levels.expand(len(found), *levels.shape))


def with_samples(found: Boxes3D, samples: PoseSamples) -> Boxes3D:
    """Detections with the samples of their poses."""
    weight = samples.weights.where(samples.valid, torch.nan)
    return replace(found, sample_pose=samples.pose.transpose(0, 1), sample_weight=weight.T)


def build_problem(
    predictions: ObjectPredictions, camera: Camera, through_x2d: bool = True
) -> PnPProblem:
    """The PnP problems (M,) of the correspondences of M objects.

    Args:
        predictions: M objects.
        camera: batch of M.
        through_x2d: whether gradients flow through the Huber threshold into the image points.
    """
    return PnPProblem.adaptive(predictions.correspondences(), camera, through_x2d=through_x2d)

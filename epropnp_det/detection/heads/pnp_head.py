"""The detection head: dense queries, their correspondences, and the pose distribution of each by
EPro-PnP.
"""

from __future__ import annotations

from dataclasses import replace

import torch
from mmcv.runner import BaseModule
from mmdet3d.models.builder import HEADS, build_head, build_loss
from torch import Tensor

from epropnp_det.pnp import (
    Camera,
    Correspondences,
    EProPnP4DoF,
    PnPProblem,
    PoseEstimate,
    PoseSamples,
)

from ..image_geometry import ImageGeometry
from ..structures.dense import DenseOutputs, DensePoints
from ..structures.ground_truth import GroundTruth
from ..structures.lidar import LidarPoints
from ..structures.predictions import Detections, ObjectPredictions
from ..structures.queries import Queries, gather_queries
from ..training.auxiliary_losses import AuxiliaryLosses
from ..training.dense_losses import DenseLosses
from ..training.object_losses import GradientSettings, ObjectLosses
from ..training.targets import Assignment, AssignmentSettings, assign, sample_queries
from . import flip_tta
from .auxiliary_head import AuxiliaryHead, Regions, mean_by_object
from .object_head import ObjectHead
from .postprocess import PostprocessSettings, best_of, candidates, select_pairs, select_queries
from .scoring import expected_score

AUXILIARY = ("projection", "coordinate", "depth")


@HEADS.register_module()
class EProPnPHead(BaseModule):
    """Feature pyramid in, losses or detections out.

    Args:
        num_classes, num_attributes: how many; the last attribute means "none".
        dense_head: config of the dense head.
        objects: settings of `ObjectHead`.
        losses: configs of the losses by name: cls, reference, centerness, bbox (or None); pose,
            size, score, velocity, attribute; the two weights position and orientation of the
            derivative regularisation; and, with an auxiliary head, projection, coordinate and depth
            (each may be left out).
        train_cfg: `queries_per_image`, `assignment` (see `AssignmentSettings`), `pnp` (settings of
            `EProPnP4DoF`).
        test_cfg: fields of `PostprocessSettings`, and `pnp`.
        auxiliary: `roi_size` of the auxiliary head and `coordinate_unit` of its losses, see
            `AuxiliaryHead` and `AuxiliaryLosses`; None trains without.
        gradients: fields of `GradientSettings` to change.

    Raises:
        ValueError: losses of the auxiliary head without it.
        TypeError: a setting of `pnp`, `assignment`, `gradients` or `test_cfg` that does not exist;
            the message names it.
    """

    def __init__(
        self,
        num_classes: int,
        num_attributes: int,
        dense_head: dict,
        objects: dict,
        losses: dict,
        train_cfg: dict,
        test_cfg: dict,
        auxiliary: dict | None = None,
        gradients: dict | None = None,
        init_cfg: dict | None = None,
    ):
        super().__init__(init_cfg)
        self.dense_head = build_head(dict(dense_head, num_classes=num_classes))
        self.objects = ObjectHead(
            num_classes, num_attributes, in_channels=dense_head["in_channels"], **objects
        )
        self.queries_per_image = train_cfg["queries_per_image"]
        self.assignment = AssignmentSettings(**train_cfg["assignment"])
        self.postprocess = PostprocessSettings(**{k: v for k, v in test_cfg.items() if k != "pnp"})
        self.test_pnp = EProPnP4DoF(**test_cfg["pnp"])
        self.auxiliary = None
        self.gradients = GradientSettings(**(gradients or {}))
        self._build_losses(dict(losses), dict(train_cfg["pnp"]), auxiliary)

    def _build_losses(self, losses: dict, pnp: dict, auxiliary: dict | None):
        weights = losses.pop("position"), losses.pop("orientation")
        orphans = [name for name in AUXILIARY if losses.get(name) is not None and auxiliary is None]
        if orphans:
            raise ValueError(
                f"losses {', '.join(orphans)} need the auxiliary head: set auxiliary=dict(roi_size=14)"
            )
        # Registered as children, because some of them keep running means.
        self.losses = torch.nn.ModuleDict(
            {name: build_loss(cfg) for name, cfg in losses.items() if cfg is not None}
        )
        built = dict(self.losses)
        extra = {name: built.pop(name, None) for name in AUXILIARY}
        self.auxiliary_losses = (
            None if auxiliary is None else self._build_auxiliary(extra, **auxiliary)
        )
        self.dense_losses = DenseLosses(
            built.pop("cls"),
            built.pop("reference"),
            built.pop("centerness"),
            built.pop("bbox", None),
        )
        self.object_losses = ObjectLosses(
            **built,
            position_weight=weights[0],
            orientation_weight=weights[1],
            coder=self.objects.branches.coder,
            layer=EProPnP4DoF(**pnp),
            local_solver=EProPnP4DoF(**dict(pnp, init=None)),
            gradients=self.gradients,
        )

    def _build_auxiliary(self, losses: dict, roi_size: int, **settings) -> AuxiliaryLosses:
        sampler = self.objects.sampler
        width = sampler.out_proj.in_features // sampler.heads
        self.auxiliary = AuxiliaryHead(
            sampler.heads, width, sampler.stride, roi_size, depth=losses["depth"] is not None
        )
        return AuxiliaryLosses(self.auxiliary, **losses, **settings)

    def loss(
        self,
        feats: list[Tensor],
        view: ImageGeometry,
        truths: list[GroundTruth],
        generator: torch.Generator | None = None,
        lidar: LidarPoints | None = None,
    ) -> dict[str, Tensor]:
        """Losses of a batch of B images.

        Args:
            feats: (B, C, H, W) of each level.
            truths: boxes of each image, possibly none.
            generator: of the query draw and the pose samples.
            lidar: of the batch, owners counted through its boxes; None where no loss asks for them.

        Raises:
            UserError: a loss asks for LiDAR points and there are none.
        """
        outputs = self.dense(feats)
        points, truth = self.dense_head.flatten(outputs), GroundTruth.cat(truths)
        assignment = self.assign(outputs, points, truths)
        losses = self.dense_losses(points, assignment, truth)
        count = self.queries_per_image * len(truths)
        draw = sample_queries(assignment, count, generator)
        drawn = assignment.truth[draw.point]
        own = truth[drawn]
        queries, maps = (
            gather_queries(points, draw.point, own.label),
            self.objects.dense_maps(feats, view),
        )
        predictions, problem = self.posed(maps, view, queries)
        losses |= self.object_losses(predictions, problem, own, draw, count, generator)
        if self.auxiliary_losses is None:
            return losses
        regions, present = self.regions(queries, predictions, truth, drawn, draw.weight, view)
        mine = None if lidar is None else lidar.of_objects(present)
        return losses | self.auxiliary_losses(maps, regions, view.camera, mine)

    def regions(
        self,
        queries: Queries,
        predictions: ObjectPredictions,
        truth: GroundTruth,
        drawn: Tensor,
        weight: Tensor,
        view: ImageGeometry,
    ) -> tuple[Regions, Tensor]:
        """The boxes of the batch that M queries stand for, as the auxiliary losses see them.

        Args:
            truth: boxes of the whole batch; drawn: (M,) index of the box of each query; weight:
                (M,) of each query.

        Returns:
            G regions, and which of the boxes they are, bool.
        """
        present = drawn.new_zeros(len(truth), dtype=torch.bool).index_fill(0, drawn, True)
        number, total = (present.cumsum(0) - 1)[drawn], int(present.sum())
        heads = self.objects.sampler.heads
        query = self.objects.attention_query(queries, view).unflatten(1, (heads, -1))
        query, size = (
            mean_by_object(value, number, weight, total) for value in (query, predictions.size)
        )
        image = drawn.new_zeros(len(truth)).index_copy(0, drawn, queries.image)[present]
        return Regions(image, truth[present], view.camera[image], query, size), present

    def dense(self, feats: list[Tensor]) -> DenseOutputs:
        """Dense outputs of the coarsest levels, as many as the dense head has strides; a finer one
        serves the dense maps alone.
        """
        return self.dense_head(feats[-len(self.dense_head.strides) :])

    def assign(
        self, outputs: DenseOutputs, points: DensePoints, truths: list[GroundTruth]
    ) -> Assignment:
        """Targets of all dense points, image-major; boxes are counted through the batch."""
        sizes = [m[0, 0].numel() for m in outputs.cls_score]
        level = torch.arange(len(sizes), device=points.grid.device).repeat_interleave(
            torch.tensor(sizes, device=points.grid.device)
        )
        grid, stride = points.grid[: len(level)], points.stride[: len(level)]
        parts, first = [], 0
        for truth in truths:
            part = assign(grid, stride, level, truth, self.assignment)
            parts.append(replace(part, truth=torch.where(part.truth >= 0, part.truth + first, -1)))
            first += len(truth)
        return Assignment.cat(parts)

    def correspondences(
        self, feats: list[Tensor], view: ImageGeometry, queries: Queries
    ) -> tuple[ObjectPredictions, PnPProblem]:
        """Predictions of M queries and the PnP problem (M,) they pose."""
        return self.posed(self.objects.dense_maps(feats, view), view, queries)

    def posed(
        self, maps: tuple[Tensor, Tensor], view: ImageGeometry, queries: Queries
    ) -> tuple[ObjectPredictions, PnPProblem]:
        """`correspondences` from keys and values (B, E, H, W)."""
        predictions = self.objects(queries, maps, view)
        return predictions, build_problem(
            predictions, view.camera[queries.image], self.gradients.delta_to_x2d
        )

    @torch.no_grad()
    def detect(
        self,
        feats: list[Tensor],
        view: ImageGeometry,
        generator: torch.Generator | None = None,
        mirrored: list[Tensor] | None = None,
        mc_samples: int | None = None,
    ) -> list[Detections]:
        """Detections of each of B images.

        Args:
            feats: (B, C, H, W) of each level.
            generator: of the random start, and of the pose samples.
            mirrored: features of the mirrored images, see `flip_tta`; None looks at the images
                alone.
            mc_samples: how many weighted samples of every pose the detections carry, see `sampler`;
                None for none.
        """
        queries, class_score, predictions = (
            self.predict(feats, view)
            if mirrored is None
            else self.predict_both(feats, mirrored, view)
        )
        problem = build_problem(predictions, view.camera[queries.image])
        estimate = self.test_pnp.solve(problem, generator=generator)
        score = class_score * self.localization_score(predictions, problem, estimate, generator)
        sampler, detections = None if mc_samples is None else self.sampler(mc_samples), []
        for b in range(len(view.image_size)):
            mine = (queries.image == b).nonzero()[:, 0]
            found = candidates(predictions[mine], estimate[mine], score[mine], queries.label[mine])
            best = best_of(
                found, estimate.valid[mine], view.camera[b], view.image_size[b], self.postprocess
            )
            found, chosen = found[best], mine[best]
            if sampler is not None:
                found = with_samples(
                    found, sampler.sample(problem[chosen], estimate[chosen], generator)
                )
            detections.append(found)
        return detections

    def sampler(self, mc_samples: int) -> EProPnP4DoF:
        """The layer of the test with another number of samples; ValueError where they are no
        multiple of its rounds.
        """
        return EProPnP4DoF(**dict(vars(self.test_pnp.settings), mc_samples=mc_samples))

    def predict(
        self, feats: list[Tensor], view: ImageGeometry
    ) -> tuple[Queries, Tensor, ObjectPredictions]:
        """M queries, their (M,) class scores, and what is predicted of them."""
        points = self.dense_head.flatten(self.dense(feats))
        queries, class_score = select_queries(points, len(view.image_size), self.postprocess)
        return (
            queries,
            class_score,
            self.objects(queries, self.objects.dense_maps(feats, view), view),
        )

    def predict_both(
        self, feats: list[Tensor], mirrored: list[Tensor], view: ImageGeometry
    ) -> tuple[Queries, Tensor, ObjectPredictions]:
        """`predict` from the features of images and of mirrored images: each object has the points
        of both.
        """
        width = view.image_size[:, 0]
        outputs = (
            self.dense(feats),
            flip_tta.realign(self.dense(mirrored), width, self.dense_head.strides),
        )
        points = [self.dense_head.flatten(one) for one in outputs]
        row, label, class_score = select_pairs(
            flip_tta.pool(*points), len(view.image_size), self.postprocess
        )
        queries = [gather_queries(one, row, label) for one in points]
        views = view, replace(view, camera=view.camera.flip(width))
        ours, theirs = (
            self.objects(mine, self.objects.dense_maps(f, seen), seen)
            for mine, f, seen in zip(queries, (feats, mirrored), views)
        )
        theirs = flip_tta.unmirror(theirs, width[queries[0].image])
        return queries[0], class_score, flip_tta.merge(ours, theirs)

    def localization_score(
        self,
        predictions: ObjectPredictions,
        problem: PnPProblem,
        estimate: PoseEstimate,
        generator: torch.Generator | None,
    ) -> Tensor:
        """(M,) how well the objects are localised, in [0, 1]; ones where the settings do not ask
        for it.
        """
        ratio = self.postprocess.mc_scoring_ratio
        if not self.postprocess.score_3d:
            return torch.ones_like(predictions.score)
        predicted = predictions.score.sigmoid()
        if ratio == 0:
            return predicted
        samples = self.test_pnp.sample(problem, estimate, generator)
        return torch.lerp(predicted, expected_score(samples, estimate.pose).to(predicted), ratio)


def with_samples(found: Detections, samples: PoseSamples) -> Detections:
    """Detections that carry the samples of their poses."""
    weight = samples.weights.where(samples.valid, torch.nan)
    return replace(found, sample_pose=samples.pose.transpose(0, 1), sample_weight=weight.T)


def build_problem(
    predictions: ObjectPredictions, camera: Camera, through_x2d: bool = True
) -> PnPProblem:
    """The PnP problem (M,) that the correspondences of M objects pose.

    Args:
        camera: batch of M.
        through_x2d: whether gradients flow through the Huber threshold into the image points.
    """
    points = Correspondences(
        predictions.noc * predictions.size[:, None], predictions.x2d, predictions.w2d
    )
    return PnPProblem.adaptive(points, camera, through_x2d=through_x2d)

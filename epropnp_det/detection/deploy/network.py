"""The network of a detector as one function of three tensors, with outputs of fixed shapes: what is
exported.

Whatever depends on chance or has a varying number of results follows outside: the threshold on the
rank, the poses by `epropnp_det.pnp`, duplicate removal.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import NamedTuple

import torch
import torch.nn.functional as F
from mmcv.ops import ModulatedDeformConv2dPack
from torch import Tensor, nn
from torchvision.ops import deform_conv2d

from epropnp_det.errors import UserError
from epropnp_det.pnp import Camera

from ..detector import EProPnPDet
from ..heads.deformable_correspondence import DeformableSampler
from ..heads.postprocess import ranked_pairs
from ..image_geometry import ImageGeometry
from ..structures.queries import gather_queries


class NetworkInputs(NamedTuple):
    """Inputs of an exported network, float32. B images; H and W are multiples of 32."""

    image: Tensor  # (B, 3, H, W) RGB, normalised as in the config, padded by zeros right and below
    camera_matrix: Tensor  # (B, 3, 3), px of these images; the first pixel has its centre at 0.5
    image_size: Tensor  # (B, 2) width and height of the images without the zeros, px


class NetworkOutputs(NamedTuple):
    """Outputs of an exported network, float32 except the class: Q objects of each of B images, the
    best first, with P points each. Objects below the score threshold are no detections.
    """

    rank: Tensor  # (B, Q) class score x centreness, compared with the score threshold
    label: Tensor  # (B, Q) int64, class
    class_score: Tensor  # (B, Q) in [0, 1]
    score_3d: Tensor  # (B, Q) in [0, 1]; the score of a box is class_score x score_3d
    x3d: Tensor  # (B, Q, P, 3) points in the frame of the object, m
    x2d: Tensor  # (B, Q, P, 2) px
    w2d: Tensor  # (B, Q, P, 2) weights of the residuals, 1/px
    size: Tensor  # (B, Q, 3) length, height, width, m
    velocity: Tensor  # (B, Q, 2) along x and z of the camera, m/s
    attribute: Tensor  # (B, Q, attributes) logits


class ExportableNetwork(nn.Module):
    """Copy of a detector's network whose operators the exporters translate.

    Args:
        model: stays as it is.

    Raises:
        UserError: as `require_network`.
    """

    def __init__(self, model: nn.Module):
        super().__init__()
        self.model: EProPnPDet = copy.deepcopy(require_network(model)).cpu().float().eval()
        replace_modules(self.model, ModulatedDeformConv2dPack, DeformableConvolution)
        for module in self.model.modules():
            if isinstance(module, DeformableSampler):
                module.look_up = look_up_equal_counts

    def forward(self, image: Tensor, camera_matrix: Tensor, image_size: Tensor) -> NetworkOutputs:
        """Inputs as of `NetworkInputs`."""
        head = self.model.bbox_head
        batch = image.shape[0]
        camera = ClosedFormCamera.for_image(camera_matrix, image_size)
        geometry = ImageGeometry(camera, image_size)
        feats = self.model.extract_feat(image)
        points = head.dense_head.flatten(head.dense(feats))
        rank, row, label, class_score = ranked_pairs(points, batch, head.postprocess.max_queries)
        queries = gather_queries(points, row.flatten(), label.flatten())
        predicted = head.objects(queries, head.objects.dense_maps(feats, geometry), geometry)
        objects = predicted.map(lambda tensor: tensor.unflatten(0, (batch, -1)))
        if head.postprocess.score_3d:
            score_3d = objects.score.sigmoid()
        else:
            score_3d = torch.ones_like(objects.score)
        return NetworkOutputs(
            rank=rank,
            label=label,
            class_score=class_score,
            score_3d=score_3d,
            x3d=objects.noc * objects.size[..., None, :],
            x2d=objects.x2d,
            w2d=objects.w2d_share * objects.w2d_scale[..., None, :],
            size=objects.size,
            velocity=objects.velocity,
            attribute=objects.attribute,
        )


def require_network(model: nn.Module) -> EProPnPDet:
    """The model.

    Raises:
        UserError: it has no such network, or uses mirrored images too.
    """
    if not isinstance(model, EProPnPDet):
        raise UserError(f"a {type(model).__name__} has no export; use a config of EProPnPDet")
    if model.bbox_head.postprocess.flip_tta:
        raise UserError(
            "an exported network sees each image once; set model.test_cfg.flip_tta=False"
        )
    return model


class ClosedFormCamera(Camera):
    """A camera whose rays need no inverse of its matrix, which ONNX has not."""

    def ray(self, pixel: Tensor) -> Tensor:
        """`Camera.ray`: the direction whose projection has no distance from the pixel in x nor
        y.
        """
        first, second, third = self.matrix.unbind(-2)
        ax, ay, az = (first - pixel[..., :1] * third).unbind(-1)
        bx, by, bz = (second - pixel[..., 1:] * third).unbind(-1)
        # Their cross product; OpenVINO does not translate torch.linalg.cross.
        direction = torch.stack((ay * bz - az * by, az * bx - ax * bz, ax * by - ay * bx), -1)
        return direction / direction[..., 2:]


class DeformableConvolution(nn.Module):
    """mmcv's DCNv2 by the operator of torchvision, which OpenVINO translates.

    Args:
        module: the layer whose weights it takes.
    """

    def __init__(self, module: ModulatedDeformConv2dPack):
        super().__init__()
        self.module = module

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, C', H', W')."""
        layer = self.module
        *offset, mask = layer.conv_offset(x).chunk(3, dim=1)
        return deform_conv2d(
            x,
            torch.cat(offset, dim=1),
            layer.weight,
            layer.bias,
            layer.stride,
            layer.padding,
            layer.dilation,
            mask.sigmoid(),
        )


def replace_modules(
    model: nn.Module, kind: type[nn.Module], make: Callable[[nn.Module], nn.Module]
) -> None:
    """Replaces the modules of one kind inside a model, in place."""
    for parent in list(model.modules()):
        for name, child in parent.named_children():
            if isinstance(child, kind):
                setattr(parent, name, make(child))


def look_up_equal_counts(feature: Tensor, location: Tensor, image: Tensor, stride: int) -> Tensor:
    """`sample_heads` for queries that are image-major, equally many in each image: one look-up for
    all images, and any number of them.
    """
    batch, channels, height, width = feature.shape
    heads = location.shape[1]
    x, y = location.unbind(-1)
    grid = torch.stack((x / (stride * width), y / (stride * height)), -1) * 2 - 1
    found = F.grid_sample(
        feature.reshape(batch * heads, channels // heads, height, width),
        grid.unflatten(0, (batch, -1)).transpose(1, 2).flatten(0, 1),
        mode="bilinear",
        padding_mode="border",
        align_corners=False,
    )
    return found.unflatten(0, (batch, heads)).permute(0, 3, 1, 4, 2).flatten(0, 1)

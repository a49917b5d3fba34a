"""Dense object queries: the FCOS3D head with another predictor.

FCOS3D regresses a pose at every point of the feature pyramid. Here every point predicts a class
score, a centreness, a reference point, an embedding that later layers turn into correspondences,
and (for training) a 2D box.
"""

from __future__ import annotations

import torch
from mmcv.cnn import ConvModule, bias_init_with_prob, normal_init
from mmdet.core import multi_apply
from mmdet3d.models.builder import HEADS
from mmdet3d.models.dense_heads import FCOSMono3DHead
from torch import Tensor, nn

from ..structures.dense import DenseOutputs, DensePoints


@HEADS.register_module()
class EProPnPDenseHead(FCOSMono3DHead):
    """Predicts object queries on every level of the feature pyramid.

    Args:
        embedding_channels: width E of the query embedding.
        centerness_branch, offset_branch, embedding_branch, bbox_branch: channels of the 3x3
            convolutions before each prediction; `bbox_branch=None` leaves the 2D box out.
        class_wise_offset: one reference point per class, or one for all.
        other arguments: see `FCOSMono3DHead`.
    """

    def __init__(
        self,
        *args,
        embedding_channels: int = 256,
        offset_branch=(256,),
        embedding_branch=(256,),
        bbox_branch=(256,),
        class_wise_offset: bool = True,
        dcn_on_last_conv: bool = True,
        stacked_convs: int = 2,
        cls_branch=(256,),
        centerness_branch=(64,),
        **kwargs,
    ):
        self.embedding_channels = embedding_channels
        self.offset_branch = offset_branch
        self.embedding_branch = embedding_branch
        self.bbox_branch = bbox_branch
        self.class_wise_offset = class_wise_offset
        super().__init__(
            *args,
            dcn_on_last_conv=dcn_on_last_conv,
            stacked_convs=stacked_convs,
            cls_branch=cls_branch,
            centerness_branch=centerness_branch,
            use_direction_classifier=False,
            **kwargs,
        )

    def _init_layers(self):
        self._init_cls_convs()
        self._init_reg_convs()
        self._init_predictor()

    def _init_predictor(self):
        def branch(channels):
            return self._init_branch(conv_channels=channels, conv_strides=(1,) * len(channels))

        self.conv_cls_prev = branch(self.cls_branch)
        self.conv_cls = nn.Conv2d(self.cls_branch[-1], self.num_classes, 1)
        self.conv_centerness_prev = branch(self.centerness_branch)
        self.conv_centerness = nn.Conv2d(self.centerness_branch[-1], 1, 1)
        self.conv_offset_prev = branch(self.offset_branch)
        offsets = self.num_classes if self.class_wise_offset else 1
        self.conv_offset = nn.Conv2d(self.offset_branch[-1], 2 * offsets, 1)
        self.conv_emb_prev = branch(self.embedding_branch)
        self.conv_emb = ConvModule(
            self.embedding_branch[-1],
            self.embedding_channels,
            1,
            norm_cfg=self.norm_cfg,
            bias=self.conv_bias,
        )
        if self.bbox_branch is not None:
            self.conv_bbox_prev = branch(self.bbox_branch)
            self.conv_bbox = nn.Conv2d(self.bbox_branch[-1], 4, 1)

    def init_weights(self):
        # The offset convolutions of DCNv2 keep their own start at zero, so only plain convolutions
        # get random weights.
        for module in self.modules():
            if isinstance(module, ConvModule) and type(module.conv) is nn.Conv2d:
                normal_init(module.conv, std=0.01)
        normal_init(self.conv_cls, std=0.01, bias=bias_init_with_prob(0.01))
        normal_init(self.conv_centerness, std=0.01)
        normal_init(self.conv_offset, std=0.01)
        if self.bbox_branch is not None:
            # A box of two cells at the start: a bias of zero would sit at the kink of max(0, .).
            normal_init(self.conv_bbox, std=0.01, bias=1.0)

    def forward(self, feats: list[Tensor]) -> DenseOutputs:
        """(B, C, H, W) features of each level -> dense outputs of each level, network-input px."""
        cls_score, centerness, offset, embedding, bbox = multi_apply(
            self.forward_single, feats, self.strides
        )
        return DenseOutputs(
            cls_score, centerness, offset, embedding, bbox if self.bbox_branch is not None else None
        )

    def forward_single(self, x: Tensor, stride: int):
        cls_feat = _chain(self.cls_convs, x)
        reg_feat = _chain(self.reg_convs, x)
        cls_score = self.conv_cls(_chain(self.conv_cls_prev, cls_feat))
        centerness = self.conv_centerness(
            _chain(self.conv_centerness_prev, reg_feat if self.centerness_on_reg else cls_feat)
        )
        embedding = self.conv_emb(_chain(self.conv_emb_prev, reg_feat))
        shift = self.conv_offset(_chain(self.conv_offset_prev, reg_feat)) * stride
        offset = shift + grid_points(shift, stride).repeat(shift.shape[1] // 2, 1, 1)
        bbox = None
        if self.bbox_branch is not None:
            bbox = self.conv_bbox(_chain(self.conv_bbox_prev, reg_feat)).relu() * stride
        return cls_score, centerness, offset, embedding, bbox

    def flatten(self, outputs: DenseOutputs) -> DensePoints:
        """The outputs of all levels as one list of points: image-major, then level, row, column."""
        levels = list(zip(outputs.cls_score, self.strides))
        batch = outputs.cls_score[0].shape[0]
        grid = torch.cat([grid_points(m, s).flatten(1) for m, s in levels], 1).T
        stride = torch.cat([m.new_full(m.shape[-2:], s).flatten() for m, s in levels])
        return DensePoints(
            image=torch.arange(batch, device=grid.device).repeat_interleave(grid.shape[0]),
            grid=grid.repeat(batch, 1),
            stride=stride.repeat(batch),
            cls_score=_flattened(outputs.cls_score),
            centerness=_flattened(outputs.centerness)[:, 0],
            offset=_flattened(outputs.offset).unflatten(1, (-1, 2)),
            embedding=_flattened(outputs.embedding),
            bbox=None if outputs.bbox is None else _flattened(outputs.bbox),
        )


def _flattened(maps: list[Tensor]) -> Tensor:
    """(B, C, H, W) of each level -> (B x points of all levels, C), image-major."""
    return torch.cat([m.flatten(2) for m in maps], 2).transpose(1, 2).flatten(0, 1)


def grid_points(feature: Tensor, stride: int) -> Tensor:
    """(2, H, W) x and y of the grid points of a (..., H, W) feature map, network-input px."""
    y, x = torch.meshgrid(
        *(torch.arange(n, device=feature.device, dtype=feature.dtype) for n in feature.shape[-2:]),
        indexing="ij",
    )
    return torch.stack((x, y)) * stride + stride // 2


def _chain(layers, x: Tensor) -> Tensor:
    for layer in layers:
        x = layer(x)
    return x

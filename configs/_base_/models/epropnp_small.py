# The v2 detector small enough for CPUs, from scratch: ResNet-18 with 24 base channels and group
# norm, 64 channels after that, no deformable convolutions, no dropout. 2.3 M parameters.
_base_ = ["./epropnp_v2.py"]
norm = dict(type="GN", num_groups=16, requires_grad=True)
model = dict(
    backbone=dict(
        _delete_=True,
        type="ResNet",
        depth=18,
        num_stages=4,
        out_indices=(1, 2, 3),
        norm_cfg=dict(type="GN", num_groups=8, requires_grad=True),
        norm_eval=False,
        style="pytorch",
        base_channels=24,
        frozen_stages=-1,
    ),
    neck=dict(in_channels=[48, 96, 192], out_channels=64),
    bbox_head=dict(
        dense_head=dict(
            in_channels=64,
            feat_channels=64,
            embedding_channels=64,
            cls_branch=(64,),
            centerness_branch=(64,),
            offset_branch=(64,),
            embedding_branch=(64,),
            bbox_branch=(64,),
            dcn_on_last_conv=False,
            norm_cfg=norm,
        ),
        objects=dict(
            embed_dims=64,
            heads=4,
            points=8,
            level_channels=(64, 32, 32),
            dense_channels=64,
            ffn_channels=256,
            point_ffn_channels=64,
            dropout=0.0,
            norm_cfg=norm,
        ),
    ),
    train_cfg=dict(queries_per_image=32),
)

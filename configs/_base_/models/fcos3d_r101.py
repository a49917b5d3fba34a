# mmdet3d's FCOS3D as published, with the backbone and neck of epropnp_v2.py: the small one at full
# width.
_base_ = ["./fcos3d_small.py"]
model = dict(
    backbone=dict(
        _delete_=True,
        type="ResNet",
        depth=101,
        num_stages=4,
        out_indices=(1, 2, 3),
        frozen_stages=1,
        norm_cfg=dict(type="BN", requires_grad=False),
        norm_eval=True,
        style="pytorch",
        dcn=dict(type="DCNv2", deform_groups=1, fallback_on_stride=False),
        stage_with_dcn=(False, False, True, True),
        init_cfg=dict(type="Pretrained", checkpoint="torchvision://resnet101"),
    ),
    neck=dict(in_channels=[512, 1024, 2048], out_channels=256),
    bbox_head=dict(
        in_channels=256,
        feat_channels=256,
        cls_branch=(256,),
        reg_branch=((256,), (256,), (256,), (256,), ()),
        dir_branch=(256,),
        attr_branch=(256,),
        norm_cfg=dict(num_groups=32),
        dcn_on_last_conv=True,
    ),
)

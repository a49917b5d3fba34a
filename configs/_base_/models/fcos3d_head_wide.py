# fcos3d_head.py at the width that was published.
_base_ = ["./fcos3d_head.py"]
fcos3d_head = dict(
    in_channels=256,
    feat_channels=256,
    cls_branch=(256,),
    reg_branch=((256,), (256,), (256,), (256,), ()),
    dir_branch=(256,),
    attr_branch=(256,),
    norm_cfg=dict(num_groups=32),
    dcn_on_last_conv=True,
)

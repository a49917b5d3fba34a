# mmdet3d's FCOS3D with the backbone, neck and widths of epropnp_small.py.
_base_ = ["./epropnp_small.py", "./fcos3d_head.py"]
model = dict(
    _delete_=True,
    type="FCOS3DBaseline",
    backbone={{_base_.model.backbone}},
    neck={{_base_.model.neck}},
    bbox_head={{_base_.fcos3d_head}},
    train_cfg={{_base_.fcos3d_train_cfg}},
    test_cfg={{_base_.fcos3d_test_cfg}},
)

# mmdet3d's FCOS3D as published, with the backbone and neck of epropnp_v2.py.
_base_ = ["./epropnp_v2.py", "./fcos3d_head_wide.py"]
model = dict(
    _delete_=True,
    type="FCOS3DBaseline",
    backbone={{_base_.model.backbone}},
    neck={{_base_.model.neck}},
    bbox_head={{_base_.fcos3d_head}},
    train_cfg={{_base_.fcos3d_train_cfg}},
    test_cfg={{_base_.fcos3d_test_cfg}},
)

# The v2 detector as it was released: with auxiliary losses, its mask of the image, and Gauss-Newton
# at test.
_base_ = ["./epropnp_v2.py", "./auxiliary_v2.py"]
model = dict(
    bbox_head=dict(
        objects=dict(legacy="v2"),
        auxiliary={{_base_.auxiliary}},
        losses=dict(
            projection={{_base_.projection_loss}},
            coordinate={{_base_.coordinate_loss}},
            depth={{_base_.depth_loss}},
        ),
    ),
    test_cfg=dict(pnp=dict(solver="gauss_newton")),
)

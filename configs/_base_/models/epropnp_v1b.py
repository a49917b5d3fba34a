# EPro-PnP-Det v1b as released on 2022-04-11: v2 without 2D boxes and depth of pixels; pixel and
# mask are read from maps of cells.
_base_ = ["./epropnp_v2.py", "./auxiliary_v1.py"]
model = dict(
    bbox_head=dict(
        dense_head=dict(bbox_branch=None),
        objects=dict(legacy="v1"),
        auxiliary={{_base_.auxiliary}},
        gradients=dict(delta_to_x2d=False, step_to_scales=False),
        losses=dict(
            bbox=None, projection={{_base_.projection_loss}}, coordinate={{_base_.coordinate_loss}}
        ),
    ),
    test_cfg=dict(pnp=dict(solver="gauss_newton")),
)

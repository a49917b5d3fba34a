# EPro-PnP-Det v1b as released on 2022-03-12: one reference point for all classes, no class
# embedding, other weights of the pose loss.
_base_ = ["./epropnp_v1b.py"]
model = dict(
    bbox_head=dict(
        dense_head=dict(class_wise_offset=False),
        objects=dict(class_embedding=False),
        losses=dict(pose=dict(loss_weight=0.15)),
    ),
    train_cfg=dict(pnp=dict(mc_samples=512)),
)

# EPro-PnP-Det v1, the model of the paper: dense maps at stride 4 from four pyramid levels, 32
# points per head.
_base_ = ["./epropnp_v1b_220312.py"]
model = dict(
    backbone=dict(out_indices=(0, 1, 2, 3)),
    neck=dict(in_channels=[256, 512, 1024, 2048], num_outs=6),
    bbox_head=dict(objects=dict(stride=4, levels=4, points=32), auxiliary=dict(roi_size=28)),
)

# Twelve epochs of AdamW, 12 images per step over all GPUs. The sampling offsets of the deformable
# attention have a tenth of the learning rate, as in Deformable DETR.
optimizer = dict(
    type="AdamW",
    lr=1e-4,
    weight_decay=1e-4,
    paramwise_cfg=dict(custom_keys={"sampling_offsets": dict(lr_mult=0.1)}),
)
# --auto-scale-lr scales from this total batch to another one.
auto_scale_lr = dict(base_batch_size=12)
# Skips and counts steps whose gradient is not finite.
optimizer_config = dict(type="FiniteOptimizerHook", grad_clip=dict(max_norm=5, norm_type=2))
lr_config = dict(
    policy="step", warmup="linear", warmup_iters=500, warmup_ratio=1.0 / 3, step=[9, 11]
)
runner = dict(type="EpochBasedRunner", max_epochs=12)
checkpoint_config = dict(interval=1, max_keep_ckpts=3)
evaluation = dict(interval=1)

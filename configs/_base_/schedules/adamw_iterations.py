# AdamW with a cosine schedule, counted in steps, for trainings on a CPU.
optimizer = dict(
    type="AdamW",
    lr=1e-3,
    weight_decay=1e-4,
    paramwise_cfg=dict(custom_keys={"sampling_offsets": dict(lr_mult=0.1)}),
)
# Skips and counts steps whose gradient is not finite.
optimizer_config = dict(type="FiniteOptimizerHook", grad_clip=dict(max_norm=5, norm_type=2))
lr_config = dict(
    policy="CosineAnnealing",
    by_epoch=False,
    warmup="linear",
    warmup_iters=150,
    warmup_ratio=0.1,
    min_lr_ratio=0.001,
)
runner = dict(type="IterBasedRunner", max_iters=1500)
checkpoint_config = dict(interval=250, by_epoch=False, max_keep_ckpts=3)
evaluation = dict(interval=500)

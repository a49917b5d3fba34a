# The schedule of the released programs: 161 epochs of 32 patches a step, a tenth of the learning
# rate after the epochs numbered 50, 100 and 150 from zero.
optimizer = dict(type="RMSprop", lr=1e-4, alpha=0.99, eps=1e-8)
# Nothing is clipped; steps whose gradient is not finite are skipped and counted.
optimizer_config = dict(type="FiniteOptimizerHook", grad_clip=dict(max_norm=1e9, norm_type=2))
lr_config = dict(policy="step", step=[51, 101, 151])
runner = dict(type="EpochBasedRunner", max_epochs=161)
checkpoint_config = dict(interval=1, max_keep_ckpts=3)
evaluation = dict(interval=10)

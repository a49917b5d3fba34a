# Patches rendered from the models of a BOP data set while the network trains; a test on images.
# The default is the data set that tools/create_synthetic_bop.py writes. Boxes of the tests are the
# true ones, changed by up to a tenth.
data_root = "data/synthetic_bop/"
data = dict(
    samples_per_gpu=16,
    workers_per_gpu=1,
    train=dict(
        type="RenderedCrops",
        root=data_root,
        layout=dict(distance=(2.5, 5.0), elevation=(5.0, 85.0), roll=8.0, others=(0, 3)),
    ),
    val=dict(
        type="BopTargets",
        root=data_root,
        split="train_pbr",
        targets_file=None,
        jitter=0.1,
        every=4,
    ),
    test=dict(type="BopTargets", root=data_root, split="test", jitter=0.1),
)

# Patches rendered from the eight models of LM-O in BOP's layout (`models`, `camera.json`); the test
# is on its real images, with true boxes. The ranges of distance and elevation are those that BOP
# publishes for the data set.
_base_ = ["./synthetic_bop.py"]
data_root = "data/lmo/"
data = dict(
    train=dict(
        root=data_root,
        layout=dict(depth=(0.35, 1.5), elevation=(-5.0, 90.0), roll=20.0, others=(0, 4)),
    ),
    val=dict(root=data_root, split="test", targets_file="test_targets_bop19.json", every=10),
    test=dict(root=data_root, jitter=0.0),
)

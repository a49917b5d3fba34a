"""Comparison of the pose losses: Monte Carlo, coordinates and derivative regularisation, for two
objects without symmetries. 8000 steps of 8 patches. The other rows of Tables 1 and 3 change this
file. The geometry of 6000 patches is stored, light and background are drawn for each patch.

DATA      tools/create_synthetic_bop.py data/synthetic_bop
COMMAND   tools/train.py configs/object_pose/ablation/monte_carlo.py
HARDWARE  2 CPU cores: one trains, one renders
RESULT    not trained yet
"""

_base_ = ["../embedded_lite0.py"]
model = dict(head=dict(objects=2))
data = dict(
    train=dict(
        type="StoredCrops", cache="data/synthetic_bop/stored_crops", stored=6000, objects=(1, 2)
    ),
    val=dict(objects=(1, 2)),
    test=dict(objects=(1, 2)),
)
runner = dict(max_iters=8000)

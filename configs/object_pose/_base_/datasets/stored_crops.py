# synthetic_bop.py with stored geometry, for comparisons: light and background of 6000 patches are
# drawn each time. 8 patches a step.
_base_ = ["./synthetic_bop.py"]
data = dict(
    samples_per_gpu=8,
    train=dict(type="StoredCrops", cache="data/synthetic_bop/stored_visible_crops", stored=6000),
)

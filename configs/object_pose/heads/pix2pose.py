"""Comparison of the heads on the same patches, backbone and budget: Pix2Pose and its own losses.
All five objects, 8000 steps of 8 patches of 64 px. The other rows of Pix2Pose change this file.

DATA      tools/create_synthetic_bop.py data/synthetic_bop
COMMAND   OMP_NUM_THREADS=1 tools/train.py configs/object_pose/heads/pix2pose.py --seed 0
HARDWARE  1 CPU core
RESULT    ADD(-S) 0.1d 0.388 / 0.044 of symmetric and other objects in held-out images, means
          of three seeds (docs/experiments/object_pose.md)
"""

_base_ = ["../pix2pose_lite0.py"]
patch = dict(size=64)
data = dict(
    samples_per_gpu=8,
    train=dict(
        cache="data/synthetic_bop/stored_amodal_crops_64px",
        stored=6000,
        patch=patch,
        cells=16,
        vertices=64,
    ),
    val=dict(patch=patch),
    test=dict(patch=patch),
)
runner = dict(max_iters=8000)

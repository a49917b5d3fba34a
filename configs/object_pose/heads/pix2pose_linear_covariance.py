"""Comparison of the heads: pix2pose.py and the linear-covariance loss. It begins after 2000 steps.

DATA      tools/create_synthetic_bop.py data/synthetic_bop
COMMAND   OMP_NUM_THREADS=1 tools/train.py
              configs/object_pose/heads/pix2pose_linear_covariance.py --seed 0
HARDWARE  1 CPU core
RESULT    ADD(-S) 0.1d 0.396 / 0.045 of symmetric and other objects in held-out images, seed 0
          (docs/experiments/object_pose.md); a third of a core hour
"""

_base_ = ["./pix2pose.py"]
model = dict(
    losses=dict(
        pose=dict(type="LinearCovarianceLoss", loss_weight=0.2, start=2000, gradient_limit=0.1)
    )
)

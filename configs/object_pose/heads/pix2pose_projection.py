"""Comparison of the heads: pix2pose.py and the projection loss, back-propagated through the
solution (BPnP). It begins after 2000 steps.

DATA      tools/create_synthetic_bop.py data/synthetic_bop
COMMAND   OMP_NUM_THREADS=1 tools/train.py configs/object_pose/heads/pix2pose_projection.py --seed 0
HARDWARE  1 CPU core
RESULT    ADD(-S) 0.1d 0.431 / 0.044 of symmetric and other objects in held-out images, means
          of three seeds (docs/experiments/object_pose.md)
"""

_base_ = ["./pix2pose.py"]
model = dict(losses=dict(pose=dict(type="ProjectionLoss", loss_weight=0.02, start=2000)))

"""Comparison of the pose losses: coordinates and a mask alone, poses by RANSAC and EPnP of OpenCV
(CDPN without its translation head, Table 1).

DATA      tools/create_synthetic_bop.py data/synthetic_bop
COMMAND   OMP_NUM_THREADS=1 tools/train.py
              configs/object_pose/ablation/cdpn.py --seed 0
HARDWARE  1 CPU core
RESULT    ADD 0.1d 0.247, 0.236, 0.264 (seeds 0, 1, 2) on held-out renderings
          (docs/experiments/object_pose.md)
"""

_base_ = ["./monte_carlo.py"]
model = dict(
    points=dict(weight_rule="mask", match_train_weights=False),
    losses=dict(pose=None, position=0.0, orientation=0.0, mask=dict(loss_weight=0.5)),
    test_cfg=dict(
        start="ransac_epnp", samples=False, pnp=dict(lm_iterations=0, solver="gauss_newton")
    ),
)
# The linear layer of the weight scales gets no gradient.
find_unused_parameters = True

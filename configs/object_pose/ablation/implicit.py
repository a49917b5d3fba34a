"""Comparison of the pose losses: implicit differentiation, with coordinate maps (Table 3). The
scale of the weights is fixed, since the solution does not depend on it.

DATA      tools/create_synthetic_bop.py data/synthetic_bop
COMMAND   OMP_NUM_THREADS=1 tools/train.py
              configs/object_pose/ablation/implicit.py --seed 0
HARDWARE  1 CPU core
RESULT    ADD 0.1d 0.232 on held-out renderings
          (docs/experiments/object_pose.md)
"""

_base_ = ["./monte_carlo.py"]
model = dict(
    points=dict(weight_rule="fixed_scale"),
    losses=dict(pose=dict(_delete_=True, type="ImplicitPoseLoss", loss_weight=0.2, beta=0.05)),
)
# The linear layer of the weight scales gets no gradient.
find_unused_parameters = True

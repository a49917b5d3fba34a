"""Comparison of the pose losses: weights without the denominator of the Softmax (Table 1). The
paper reports that this diverges.

DATA      tools/create_synthetic_bop.py data/synthetic_bop
COMMAND   OMP_NUM_THREADS=1 tools/train.py
              configs/object_pose/ablation/no_denominator.py --seed 0
HARDWARE  1 CPU core
RESULT    ADD 0.1d 0.302, 0.262, 0.293 (seeds 0, 1, 2) on held-out renderings
          (docs/experiments/object_pose.md)
"""

_base_ = ["./monte_carlo.py"]
model = dict(points=dict(weight_rule="exponential"))

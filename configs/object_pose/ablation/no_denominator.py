"""Comparison of the pose losses: weights without the denominator of the Softmax (Table 1). The
paper reports that this diverges.

DATA      tools/create_synthetic_bop.py data/synthetic_bop
COMMAND   tools/train.py configs/object_pose/ablation/no_denominator.py
HARDWARE  2 CPU cores: one trains, one renders
RESULT    not trained yet
"""

_base_ = ["./monte_carlo.py"]
model = dict(points=dict(weight_rule="exponential"))

# The rows of an ablation: 2400 steps each, half an hour on one core.
_base_ = ["./synthetic.py"]
runner = dict(max_iters=2400)

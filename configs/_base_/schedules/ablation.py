# The rows of a comparison within our own family: 3000 steps each, half an hour on two cores.
_base_ = ["./synthetic.py"]
runner = dict(max_iters=3000)

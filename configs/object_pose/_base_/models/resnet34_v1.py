# resnet34_v2.py with the weights, the initialisation and the losses of v1.
_base_ = ["./resnet34_v2.py"]
model = dict(
    neck=dict(initialization="v1"),
    head=dict(initialization="v1"),
    points=dict(weight_rule="v1"),
    losses=dict(pose=dict(loss_weight=0.02), position=0.1, orientation=0.1),
)

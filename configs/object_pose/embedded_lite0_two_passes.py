"""The embedded default with a second pass: three more patches around the object where the first
pass finds it. No other training; a test takes four times as long in the network.

COMMAND   tools/test.py configs/object_pose/embedded_lite0_two_passes.py
              configs/object_pose/embedded_lite0.pth --eval bop
HARDWARE  1 CPU core
RESULT    ADD(-S) 0.1d 0.76, 0.05d 0.54, 5 deg 5 cm 0.64 on held-out images, boxes changed by up to
          0.1 (docs/experiments/object_pose.md)
"""

_base_ = ["./embedded_lite0.py"]
model = dict(test_cfg=dict(views=(1.0, 1.1, 1.2)))
data = dict(val=dict(whole_image=True), test=dict(whole_image=True))

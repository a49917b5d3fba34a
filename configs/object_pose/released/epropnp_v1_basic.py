"""EPro-PnP-6DoF v1 as released: coordinates and the Monte Carlo loss, from ImageNet weights.

DATA      not part of this config yet: it has the model and the schedule, no `data`
COMMAND   tools/train.py configs/object_pose/released/epropnp_v1_basic.py
HARDWARE  1 GPU, 32 patches
RESULT    not trained here. Published (paper, Table 1, LineMOD, mean of 13 objects): ADD(-S) 0.02d
          32.14, 0.05d 72.83, 0.1d 92.66
"""

_base_ = [
    "../_base_/models/resnet34_v1.py",
    "../_base_/schedules/rmsprop_160e.py",
    "../_base_/default_runtime.py",
]
model = dict(losses=dict(position=0.0, orientation=0.0))

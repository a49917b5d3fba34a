"""EPro-PnP-6DoF v2 as released, from the first stage of CDPN.

DATA      not part of this config yet: it has the model and the schedule, no `data`
COMMAND   tools/convert_checkpoint.py cdpn_stage_1.pth checkpoints/cdpn_stage_1.pth, then
          tools/train.py configs/object_pose/released/epropnp_v2_cdpn_init.py
          --load-from checkpoints/cdpn_stage_1.pth
HARDWARE  1 GPU, 32 patches
RESULT    not trained here
"""

_base_ = [
    "../_base_/models/resnet34_v2.py",
    "../_base_/schedules/rmsprop_160e.py",
    "../_base_/default_runtime.py",
]
model = dict(backbone=dict(init_cfg=None))

"""EPro-PnP-6DoF v1 as released: epropnp_v1_cdpn_init.py for twice as many epochs.

DATA      not part of this config yet: it has the model and the schedule, no `data`
COMMAND   tools/convert_checkpoint.py cdpn_stage_1.pth checkpoints/cdpn_stage_1.pth, then
          tools/train.py configs/object_pose/released/epropnp_v1_cdpn_init_long.py
          --load-from checkpoints/cdpn_stage_1.pth
HARDWARE  1 GPU, 32 patches
RESULT    not trained here. Published (paper, Table 1, LineMOD, mean of 13 objects): ADD(-S) 0.02d
          44.81, 0.05d 81.96, 0.1d 95.80
"""

_base_ = ["./epropnp_v1_cdpn_init.py"]
lr_config = dict(step=[101, 201, 301])
runner = dict(max_epochs=321)

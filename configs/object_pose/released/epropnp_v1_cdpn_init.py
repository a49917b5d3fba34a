"""EPro-PnP-6DoF v1 as released: epropnp_v1_reg_loss.py from the first stage of CDPN.

DATA      not part of this config yet: it has the model and the schedule, no `data`
COMMAND   tools/convert_checkpoint.py cdpn_stage_1.pth checkpoints/cdpn_stage_1.pth, then
          tools/train.py configs/object_pose/released/epropnp_v1_cdpn_init.py
          --load-from checkpoints/cdpn_stage_1.pth
HARDWARE  1 GPU, 32 patches
RESULT    not trained here. Published (paper, Table 1, LineMOD, mean of 13 objects): ADD(-S) 0.02d
          42.92, 0.05d 80.98, 0.1d 95.76
"""

_base_ = ["./epropnp_v1_reg_loss.py"]
model = dict(backbone=dict(init_cfg=None))

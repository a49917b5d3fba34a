"""LM-O: lmo_pix2pose_lite0.py with photographs of streets behind half of the objects. No image of
LM-O is used in training, nor to choose a setting.

DATA      as for lmo_lite0_photographs.py
COMMAND   OMP_NUM_THREADS=1 tools/train.py configs/object_pose/lmo_pix2pose_lite0_photographs.py
              --seed 0 --data-root data/lmo --load-from work_dirs/lmo_pix2pose_lite0/latest.pth
HARDWARE  1 CPU core
RESULT    ADD(-S) 0.1d 0.083, AR_MSSD 0.135, AR_MSPD 0.492 on the real test images, true boxes;
          0.047, 0.099 and 0.343 in detected boxes (docs/experiments/object_pose.md); 0.5 core hours
"""

_base_ = ["./lmo_pix2pose_lite0.py"]
data = dict(train=dict(photographs="data/photographs"))
runner = dict(max_iters=3000)

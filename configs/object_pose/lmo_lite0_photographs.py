"""LM-O: lmo_lite0.py with photographs of streets behind half of the objects. No image of LM-O is
used in training, nor to choose a setting.

DATA      as for lmo_lite0.py, and images of anything but the objects in data/photographs; here 230
          of PandaSet, KITTI and nuScenes
COMMAND   OMP_NUM_THREADS=1 tools/train.py configs/object_pose/lmo_lite0_photographs.py --seed 0
              --data-root data/lmo --load-from work_dirs/lmo_lite0/latest.pth
HARDWARE  1 CPU core
RESULT    ADD(-S) 0.1d 0.145, AR_MSSD 0.276, AR_MSPD 0.617 on the real test images, true boxes;
          0.106, 0.175 and 0.419 in boxes of lmo_mask_rcnn_lite0_photographs.py
          (docs/experiments/object_pose.md); 0.7 core hours
"""

_base_ = ["./lmo_lite0.py"]
data = dict(train=dict(photographs="data/photographs"))
runner = dict(max_iters=5000)

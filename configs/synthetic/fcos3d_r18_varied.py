"""FCOS3D of mmdet3d on the worlds, images and boxes of epropnp_r18_varied.py.

COMMAND   tools/train.py configs/synthetic/fcos3d_r18_varied.py
HARDWARE  2 CPU cores
RESULT    not trained yet
"""

_base_ = ["./fcos3d_r18_synthetic.py"]
worlds = ["data/synthetic/", *(f"data/varied/{seed}/" for seed in range(1, 21))]
data = dict(train=dict(ann_file=[f"{root}nuscenes_mini_infos_train_mono3d.coco.json" for root in worlds], img_prefix=worlds))
runner = dict(max_iters=20000)

"""EPro-PnP on the synthetic world, trained on twenty more worlds as well, with all auxiliary losses: 407 objects are too few.

COMMAND   for seed in $(seq 1 20); do
              tools/create_synthetic_nuscenes.py data/varied/$seed --preset varied --seed $seed
              tools/create_data.py nuscenes data/varied/$seed --version v1.0-mini --lidar
          done
          tools/train.py configs/synthetic/epropnp_r18_varied.py
HARDWARE  2 CPU cores
RESULT    not trained yet
"""

_base_ = ["./auxiliary/all.py"]
worlds = ["data/synthetic/", *(f"data/varied/{seed}/" for seed in range(1, 21))]
data = dict(train=dict(ann_file=[f"{root}nuscenes_mini_infos_train_mono3d.coco.json" for root in worlds], img_prefix=worlds))
runner = dict(max_iters=20000)

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
datasets = [
    dict(
        type="NuScenesCameraDataset",
        data_root=root,
        version="v1.0-mini",
        ann_file=root + "nuscenes_mini_infos_train_mono3d.coco.json",
        pipeline={{_base_.train_pipeline}},
    )
    for root in ("data/synthetic/", *(f"data/varied/{seed}/" for seed in range(1, 21)))
]
data = dict(train=dict(_delete_=True, type="ConcatDataset", datasets=datasets))
runner = dict(max_iters=20000)

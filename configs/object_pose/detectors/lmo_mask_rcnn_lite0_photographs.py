"""LM-O: lmo_mask_rcnn_lite0.py with photographs of streets behind the objects of most images. No
image of LM-O is used in training, nor to choose a setting.

DATA      as for lmo_mask_rcnn_lite0.py, and images of anything but the objects in data/photographs;
          here 230 of PandaSet, KITTI and nuScenes
COMMAND   OMP_NUM_THREADS=1 tools/train.py
              configs/object_pose/detectors/lmo_mask_rcnn_lite0_photographs.py --seed 0
              --no-validate --load-from work_dirs/lmo_mask_rcnn_lite0/latest.pth
HARDWARE  1 CPU core
RESULT    AP50 of boxes 0.494 on the real test images (docs/experiments/object_pose.md);
          0.8 core hours. The three best detections of each object and image are in
          lmo_mask_rcnn_lite0_photographs.detections.json
"""

from epropnp_det.object_pose.data.coco_pipelines import coco_train_pipeline

_base_ = ["./lmo_mask_rcnn_lite0.py"]
train_pipeline = coco_train_pipeline(
    (320, 240), clutter=0.7, photographs="data/photographs", photograph_share=0.6
)
data = dict(train=dict(pipeline=train_pipeline))
runner = dict(max_iters=3000)

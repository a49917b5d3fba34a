"""EPro-PnP-Det v1 as released, trained on both sets with annotations: "EPro-PnP" on the test set of
the paper.

COMMAND   tools/dist_train.sh configs/detection/released/epropnp_det_coord_regr_trainval.py 4
              --no-validate
HARDWARE  4 GPUs, 3 images each
RESULT    not trained here. Published (paper, Table 4, test set, with
          model.test_cfg.flip_tta=True): NDS 0.453, mAP 0.373
"""

_base_ = ["./epropnp_det_coord_regr.py"]

both = dict(type="ConcatDataset", datasets=[{{_base_.data.train}}, {{_base_.train_on_val}}])
data = dict(train=dict(both, _delete_=True), test={{_base_.test_split}})

"""EPro-PnP-Det v2 as released, trained on both sets with annotations.

COMMAND   tools/dist_train.sh configs/detection/released/epropnp_det_v2_trainval.py 4 --no-validate
HARDWARE  4 GPUs, 3 images each
RESULT    not trained here. The paper has no figure of this model. Published for the family: up to
          NDS 0.490
"""

_base_ = ["./epropnp_det_v2.py"]

both = dict(type="ConcatDataset", datasets=[{{_base_.data.train}}, {{_base_.train_on_val}}])
data = dict(train=dict(both, _delete_=True), test={{_base_.test_split}})

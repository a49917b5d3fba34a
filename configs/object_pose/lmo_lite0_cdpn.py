"""LM-O from renderings of its models alone, the baseline of lmo_lite0.py: coordinates and a mask,
poses by RANSAC and EPnP of OpenCV.

DATA      LM-O in BOP's layout: models, models_eval, camera.json, test
COMMAND   OMP_NUM_THREADS=1 tools/train.py configs/object_pose/lmo_lite0_cdpn.py --seed 0
              --data-root data/lmo
HARDWARE  1 CPU core
RESULT    ADD(-S) 0.1d 0.080, AR_MSSD 0.145, AR_MSPD 0.499 on the real test images, true boxes;
          0.028, 0.060 and 0.260 in detected boxes (docs/experiments/object_pose.md);
          2.2 core hours
"""

_base_ = ["./lmo_lite0.py"]
model = dict(
    points=dict(weight_rule="mask", match_train_weights=False),
    losses=dict(pose=None, position=0.0, orientation=0.0, mask=dict(loss_weight=0.5)),
    test_cfg=dict(
        start="ransac_epnp", samples=False, pnp=dict(lm_iterations=0, solver="gauss_newton")
    ),
)
# The linear layer of the weight scales gets no gradient.
find_unused_parameters = True

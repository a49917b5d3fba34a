# A BOP data set with COCO annotations (tools/create_data.py bop DIR --coco). A config adds the
# pipelines of coco_320.py or coco_640.py.
data_root = "data/synthetic_bop/"
data = dict(
    samples_per_gpu=2,
    workers_per_gpu=1,
    train=dict(
        type="CocoObjects",
        ann_file=data_root + "coco_train_pbr.json",
        img_prefix=data_root,
        filter_empty_gt=False,
    ),
    val=dict(type="CocoObjects", ann_file=data_root + "coco_test.json", img_prefix=data_root),
    test=dict(type="CocoObjects", ann_file=data_root + "coco_test.json", img_prefix=data_root),
)

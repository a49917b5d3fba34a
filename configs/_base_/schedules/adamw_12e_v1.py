# adamw_12e.py with the steps of the released v1 and v1b models.
_base_ = ["./adamw_12e.py"]
lr_config = dict(step=[10, 11])

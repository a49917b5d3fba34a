"""A small made-up world, written as an official nuScenes database: what
`tools/create_synthetic_nuscenes.py` runs (docs/explanation/synthetic.md).
"""

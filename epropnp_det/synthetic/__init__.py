"""Synthetic nuScenes databases: scenes, meshes, ray casting and tables.

`tools/create_synthetic_nuscenes.py` writes them (docs/explanation/synthetic.md).
"""

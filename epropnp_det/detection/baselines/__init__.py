"""FCOS3D of mmdet3d on our data."""

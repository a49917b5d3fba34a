"""A small BOP data set of two procedural objects, written without the package's own writer."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import trimesh
from scipy.spatial.transform import Rotation

SIZE = (160, 120)
# Principal point with pixel centres at integers, as in BOP's files.
MATRIX = np.array([[150.0, 0, 79.5], [0, 150.0, 59.5], [0, 0, 1]])
SCENE = 3
IMAGES = (0, 7)
# x, y, z in mm of the two objects of every image; the second stands behind the first.
PLACES = {1: (0.0, 0.0, 500.0), 2: (30.0, 10.0, 620.0)}


def meshes() -> dict[int, trimesh.Trimesh]:
    """A cuboid and a cylinder, in mm."""
    cylinder = trimesh.creation.cylinder(40, 90, sections=48)
    return {1: trimesh.creation.box((100, 60, 40)), 2: cylinder}


def write_dataset(root: Path) -> Path:
    """Writes models and two test images with masks, boxes and targets; returns `root`."""
    write_models(root / "models")
    scene = root / "test" / f"{SCENE:06d}"
    for name in ("rgb", "mask", "mask_visib"):
        (scene / name).mkdir(parents=True)
    cameras, truth, info, targets = {}, {}, {}, []
    for image in IMAGES:
        rotation = Rotation.from_euler("xyz", (30 + image, 20, 10), degrees=True).as_matrix()
        cameras[image] = dict(cam_K=MATRIX.ravel().tolist(), depth_scale=1.0)
        truth[image] = [
            dict(obj_id=key, cam_R_m2c=rotation.ravel().tolist(), cam_t_m2c=list(place))
            for key, place in PLACES.items()
        ]
        masks = [_silhouette(key, rotation, place) for key, place in PLACES.items()]
        visible = [masks[0], masks[1] & ~masks[0]]
        info[image] = [_info(*pair) for pair in zip(masks, visible)]
        for index, pair in enumerate(zip(masks, visible)):
            for name, mask in zip(("mask", "mask_visib"), pair):
                file = scene / name / f"{image:06d}_{index:06d}.png"
                cv2.imwrite(str(file), mask.astype(np.uint8) * 255)
        picture = np.full((SIZE[1], SIZE[0], 3), (200, 40, 90), np.uint8)  # OpenCV's order: BGR
        cv2.imwrite(str(scene / "rgb" / f"{image:06d}.png"), picture)
        targets += [dict(scene_id=SCENE, im_id=image, obj_id=key, inst_count=1) for key in PLACES]
    for name, content in (("camera", cameras), ("gt", truth), ("gt_info", info)):
        write(scene / f"scene_{name}.json", content)
    write(root / "test_targets_bop19.json", targets)
    return root


def write_models(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    info = {}
    for key, mesh in meshes().items():
        mesh.export(folder / f"obj_{key:06d}.ply")
        info[key] = _measures(mesh)
    info[2]["symmetries_continuous"] = [dict(axis=[0, 0, 1], offset=[0, 0, 0])]
    write(folder / "models_info.json", info)


def write(path: Path, content: object) -> None:
    path.write_text(json.dumps(content))


def _measures(mesh: trimesh.Trimesh) -> dict:
    low = mesh.vertices.min(axis=0)
    size = np.ptp(mesh.vertices, axis=0)
    corners = mesh.convex_hull.vertices
    diameter = max(np.linalg.norm(corners - corner, axis=1).max() for corner in corners)
    info = dict(diameter=float(diameter))
    info |= {f"min_{axis}": float(value) for axis, value in zip("xyz", low)}
    return info | {f"size_{axis}": float(value) for axis, value in zip("xyz", size)}


def _silhouette(key: int, rotation: np.ndarray, place: tuple) -> np.ndarray:
    """The convex hull of the projected corners: both objects are convex."""
    points = meshes()[key].vertices @ rotation.T + place
    pixels = points @ MATRIX.T
    hull = cv2.convexHull((pixels[:, :2] / pixels[:, 2:]).astype(np.float32))
    mask = np.zeros((SIZE[1], SIZE[0]), np.uint8)
    cv2.fillConvexPoly(mask, np.round(hull).astype(np.int32), 1)
    return mask > 0


def _info(mask: np.ndarray, visible: np.ndarray) -> dict:
    return dict(
        bbox_obj=_box(mask),
        bbox_visib=_box(visible),
        px_count_all=int(mask.sum()),
        px_count_valid=int(mask.sum()),
        px_count_visib=int(visible.sum()),
        visib_fract=float(visible.sum() / mask.sum()),
    )


def _box(mask: np.ndarray) -> list[int]:
    rows, columns = np.nonzero(mask)
    low = (columns.min(), rows.min())
    return [int(value) for value in (*low, np.ptp(columns), np.ptp(rows))]


def write_camera(root: Path) -> None:
    camera = dict(fx=MATRIX[0, 0], fy=MATRIX[1, 1], cx=MATRIX[0, 2], cy=MATRIX[1, 2])
    write(root / "camera.json", dict(camera, width=SIZE[0], height=SIZE[1], depth_scale=1.0))

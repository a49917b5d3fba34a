"""The readers of files that others wrote, each with right files to begin from."""

from __future__ import annotations

import contextlib
import copy
import io
import json
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from hypothesis import strategies as st
from mmcv import Config
from PIL import Image

from epropnp_det.detection.data import annotation_file, kitti_convert, nuscenes_convert
from epropnp_det.detection.data.annotation_check import find_faults
from epropnp_det.detection.data.class_set import NUSCENES
from epropnp_det.detection.data.nuscenes_dataset import NuScenesCameraDataset
from epropnp_det.detection.evaluation import submission_check
from epropnp_det.engine import checkpoint, config, images
from epropnp_det.engine.command_line import parse_options
from epropnp_det.engine.file_checks import summarize
from epropnp_det.engine.intrinsics.files import read_intrinsics
from epropnp_det.errors import UserError
from epropnp_det.object_pose.data import bop_check, bop_dataset, detection_file, object_models
from epropnp_det.object_pose.data.symmetries import expand_symmetries
from epropnp_det.object_pose.evaluation.bop_results import read_results

from .mutations import VALUES, binary_files, edited, json_files, text_files

Files = Mapping[str, Any]
WIDTH = 64
HEIGHT = 48
CAMERA_NUMBERS = [50.0, 0.0, 32.0, 0.0, 50.0, 24.0, 0.0, 0.0, 1.0]
CAMERA = [[50.0, 0.0, 32.0], [0.0, 50.0, 24.0], [0.0, 0.0, 1.0]]


@dataclass(frozen=True)
class Parser:
    """A reader and its files.

    Args:
        files: right contents by name: nested values are JSON, texts are text, the rest is bytes.
        read: reads all files, which are below a folder; faults that it finds are returned as lines.
        places: one of these words is in a message, besides the names of the files.
        strategies: other contents by name, instead of the strategies of these kinds.
    """

    files: Files
    read: Callable[[Path], list[str]]
    places: tuple[str, ...] = ()
    strategies: Mapping[str, st.SearchStrategy[bytes]] | None = None

    def content(self, name: str) -> bytes:
        """The right content of a file."""
        value = self.files[name]
        if isinstance(value, bytes):
            return value
        return value.encode() if isinstance(value, str) else json.dumps(value).encode()

    def inputs(self) -> st.SearchStrategy[tuple[str, bytes]]:
        """The name of a file and another content."""
        return st.one_of(
            [st.tuples(st.just(name), self._strategy(name)) for name in self._changed()]
        )

    def _changed(self) -> list[str]:
        pictures = (".png", ".ply")
        others = [name for name in self.files if not name.endswith(pictures)]
        return others or list(self.files)

    def _strategy(self, name: str) -> st.SearchStrategy[bytes]:
        value = self.files[name]
        if self.strategies is not None and name in self.strategies:
            return self.strategies[name]
        if isinstance(value, bytes):
            return binary_files([value])
        return text_files(value) if isinstance(value, str) else json_files(value)


def encoded(kind: str, mode: str = "RGB", **settings: Any) -> bytes:
    """An image file of random pixels."""
    pixels = np.random.default_rng(0).integers(0, 256, (HEIGHT, WIDTH, 3), np.uint8)
    stream = io.BytesIO()
    Image.fromarray(pixels).convert(mode).save(stream, kind, **settings)
    return stream.getvalue()


def annotations() -> dict:
    image = dict(
        id="a",
        token="sample",
        file_name="a.png",
        width=WIDTH,
        height=HEIGHT,
        cam_intrinsic=CAMERA,
        cam2ego_rotation=[0.5, -0.5, 0.5, -0.5],
        cam2ego_translation=[0, 0, 1.5],
        ego2global_rotation=[1, 0, 0, 0],
        ego2global_translation=[3, 4, 0],
        range_origin=[3, 4, 0],
        distortion=[0.0, 0.0, 0.0, 0.0, 0.0],
    )
    box = dict(
        id=0,
        image_id="a",
        category_id=0,
        bbox_cam3d=[0.0, 0.5, 10.0, 4.0, 1.5, 1.8, 0.3],
        bbox=[20.8, 22.5, 21.8, 8.8],
        center2d=[32.0, 26.5, 10.0],
        velo_cam3d=[1.0, None],
        velocity_known=False,
        attribute_id=5,
        attribute_known=True,
        visibility=4,
        truncation=0.0,
        num_lidar_pts=3,
        instance_token="i",
        area=240.0,
        segmentation=[],
    )
    return dict(
        info=dict(schema="epropnp_det/1", version="own"),
        images=[image],
        annotations=[box],
        categories=[dict(id=0, name="car")],
    )


def read_annotation_file(root: Path) -> list[str]:
    path = root / "annotations.json"
    parsed = annotation_file.parse_annotations(path)
    lines = summarize(find_faults(parsed, root, NUSCENES))
    if any(annotation_file.find_record_faults(parsed)):
        assert lines
        annotation_file.read_annotations(path)
        raise AssertionError("a file with faults was read")
    annotation_file.read_annotations(path)
    if not lines:
        dataset = NuScenesCameraDataset(str(root), str(path), pipeline=[], test_mode=True)
        for index in range(len(dataset)):
            info = dataset.get_ann_info(index)
            assert np.isfinite(info["bboxes"]).all() and np.isfinite(info["centers2d"]).all()
    return lines


def tables() -> dict[str, list[dict]]:
    turn = [0.5, -0.5, 0.5, -0.5]
    pose = dict(rotation=[1.0, 0.0, 0.0, 0.0], translation=[0.0, 0.0, 0.0])
    boxes = [
        dict(
            token=f"box{index}",
            sample_token="s",
            instance_token="i",
            translation=[10.0 + index, 0.0, 0.0],
            size=[1.8, 4.0, 1.5],
            rotation=[1.0, 0.0, 0.0, 0.0],
            prev="",
            next="",
            attribute_tokens=["att"],
            visibility_token="4",
            num_lidar_pts=3,
            num_radar_pts=0,
        )
        for index in range(2)
    ]
    return dict(
        category=[dict(token="c", name="vehicle.car", description="")],
        attribute=[dict(token="att", name="vehicle.moving", description="")],
        visibility=[dict(token="4", level="v80-100", description="")],
        instance=[dict(token="i", category_token="c")],
        sensor=[dict(token="cam", channel="CAM_FRONT", modality="camera")],
        calibrated_sensor=[
            dict(
                token="k",
                sensor_token="cam",
                rotation=turn,
                translation=[0, 0, 0],
                camera_intrinsic=CAMERA,
            )
        ],
        ego_pose=[dict(token="e", timestamp=1, **pose)],
        log=[dict(token="l", logfile="", vehicle="", date_captured="", location="")],
        scene=[dict(token="sc", name="scene-a", log_token="l", nbr_samples=1, description="")],
        sample=[dict(token="s", scene_token="sc", timestamp=1, prev="", next="")],
        sample_data=[
            dict(
                token="d",
                sample_token="s",
                ego_pose_token="e",
                calibrated_sensor_token="k",
                filename="samples/a.png",
                is_key_frame=True,
                width=WIDTH,
                height=HEIGHT,
                timestamp=1,
                prev="",
                next="",
                fileformat="png",
            )
        ],
        sample_annotation=boxes,
        map=[dict(token="m", log_tokens=["l"], filename="maps/a.png", category="semantic_prior")],
    )


def read_tables(root: Path) -> list[str]:
    splits = nuscenes_convert.read_splits(root / "splits.json")
    for path in nuscenes_convert.write_annotation_files(root, "own", root / "out", splits=splits):
        annotation_file.read_annotations(path)
        path.unlink()
    return []


def submission() -> dict:
    box = dict(
        sample_token="s",
        translation=[1.0, 2.0, 3.0],
        size=[1.0, 2.0, 3.0],
        rotation=[1.0, 0.0, 0.0, 0.0],
        velocity=[0.0, 1.0],
        detection_name="car",
        detection_score=0.5,
        attribute_name="vehicle.moving",
    )
    flags = ("use_camera", "use_lidar", "use_radar", "use_map", "use_external")
    return dict(meta=dict.fromkeys(flags, False), results=dict(s=[box, box], t=[]))


def read_submission(root: Path) -> list[str]:
    content = submission_check.read_submission(root / "submission.json")
    split = submission_check.Split("val", frozenset({"s", "t"}))
    return summarize(submission_check.find_faults(content, NUSCENES, split))


OPTIONS = """model.head.size=3
model.levels.0.stride=8
model.head.names=[a,b,(1,2)]
optimizer.lr=1e-3
runner.max_iters=100
data.samples_per_gpu=2
model.head.more={'a': 1}"""
SETTINGS = dict(
    model=dict(head=dict(size=2, names=["x"], more={}), levels=[dict(stride=4)]),
    optimizer=dict(type="SGD", lr=0.1),
    runner=dict(max_iters=3),
    data=dict(samples_per_gpu=1),
)


def read_options(root: Path) -> list[str]:
    text = (root / "options.txt").read_bytes().decode("utf-8", "surrogateescape")
    options = parse_options(text.split("\n"))
    settings = Config(copy.deepcopy(SETTINGS), cfg_text="# options", filename="settings.py")
    config.apply_options(settings, options, "settings.py")
    return []


def weights() -> bytes:
    stream = io.BytesIO()
    torch.save(dict(state_dict=dict(a=torch.ones(2)), meta=dict(epoch=1, iter=2)), stream)
    return stream.getvalue()


@st.composite
def weight_files(draw: st.DrawFn) -> bytes:
    keys = st.sampled_from(("a", b"k", 3, None, True, ("a", 1), "state_dict", "meta", "\ud800", 1j))
    leaf = st.sampled_from(
        (torch.ones(2), torch.tensor(1.0), torch.ones(0), *VALUES[:-1], b"x", 2j, {1, 2}, (1,))
    )
    content = draw(
        st.dictionaries(keys, leaf | st.dictionaries(keys, leaf, max_size=3), max_size=3) | leaf
    )
    stream = io.BytesIO()
    torch.save(content, stream)
    file = stream.getvalue()
    return draw(edited(file)) if draw(st.booleans()) else file


def read_weights(root: Path) -> list[str]:
    path = root / "a.pth"
    model = torch.nn.Module()
    model.a = torch.nn.Parameter(torch.zeros(2))
    with contextlib.suppress(UserError):
        checkpoint.load_matching_weights(model, path)
    checkpoint.load_weights(model, path)
    return []


INTRINSICS = {
    "k.json": dict(camera_name="a", camera_matrix=dict(rows=3, cols=3, data=CAMERA_NUMBERS)),
    "cameras.json": dict(
        image_2=dict(K=CAMERA, image_size=[64, 48], D=[0.1, 0.0, 0.0, 0.0, 0.0]),
        back=dict(fx=1, fy=2, cx=3, cy=4, w=10, h=10),
    ),
    "annotated.json": dict(
        images=[dict(file_name="a.png", cam_intrinsic=CAMERA, width=64, height=48)]
    ),
    "ros.yaml": (
        "image_width: 64\nimage_height: 48\ncamera_name: front\ncamera_matrix:\n  rows: 3\n"
        "  cols: 3\n  data: [50.0, 0.0, 32.0, 0.0, 50.0, 24.0, 0.0, 0.0, 1.0]\n"
        "distortion_model: plumb_bob\ndistortion_coefficients:\n  rows: 1\n  cols: 5\n"
        "  data: [0.1, 0.0, 0.0, 0.0, 0.0]\n"
    ),
    "opencv.yml": (
        "%YAML:1.0\n---\ncamera_matrix: !!opencv-matrix\n   rows: 3\n   cols: 3\n   dt: d\n"
        "   data: [ 5.0e1, 0., 32., 0., 50., 24., 0., 0., 1. ]\nfisheye_model: 1\n"
    ),
    "kitti.txt": (
        "P0: 50 0 32 0 0 50 24 0 0 0 1 0\nP2: 50 0 32 4.5 0 50 24 0.2 0 0 1 0.003\n"
        "S_rect_02: 6.4e+01 4.8e+01\nR0_rect: 1 0 0 0 1 0 0 0 1\n"
    ),
    "numbers.txt": "50 50 32 24\n",
}


def read_intrinsics_files(root: Path) -> list[str]:
    for name in INTRINSICS:
        found = read_intrinsics(root / name, root / "image_2" / "a.png")
        assert np.isfinite(found.matrix).all() and found[0, 0] > 0
    return []


LABEL = (
    "Car 0.00 0 -1.57 10.0 12.0 40.0 36.0 1.50 1.60 3.90 0.50 1.60 20.00 -1.50\n"
    "DontCare -1 -1 -10 1.0 2.0 3.0 4.0 -1 -1 -1 -1000 -1000 -1000 -10\n"
    "Pedestrian 0.00 1 0.2 10.0 12.0 40.0 36.0 1.70 0.60 0.90 1.50 1.60 15.00 0.30 0.9\n"
)


def read_kitti(root: Path) -> list[str]:
    names = (root / "frames.txt").read_text("utf-8", "replace").split()
    out = root / "out.json"
    kitti_convert.write_kitti_file(root, out, frames=names or None)
    annotation_file.read_annotations(out)
    out.unlink()
    return []


def bop() -> dict[str, Any]:
    identity = [1, 0, 0, 0, 1, 0, 0, 0, 1]
    model = dict(diameter=100.0, min_x=-30, min_y=-30, min_z=-30, size_x=60, size_y=60, size_z=60)
    model |= dict(
        symmetries_discrete=[[-1, 0, 0, 0, 0, -1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1]],
        symmetries_continuous=[dict(axis=[0, 0, 1], offset=[0, 0, 0])],
    )
    found = dict(scene_id=3, image_id=0, category_id=1, bbox=[1, 2, 3, 4], score=0.5, time=0.1)
    return {
        "camera.json": dict(fx=50.0, fy=50.0, cx=31.5, cy=23.5, width=64, height=48),
        "models/models_info.json": {"1": model},
        "test/000003/scene_camera.json": {"0": dict(cam_K=CAMERA_NUMBERS, depth_scale=1.0)},
        "test/000003/scene_gt.json": {
            "0": [dict(obj_id=1, cam_R_m2c=identity, cam_t_m2c=[0, 0, 500])]
        },
        "test/000003/scene_gt_info.json": {
            "0": [dict(bbox_obj=[20, 20, 9, 9], bbox_visib=[20, 20, 9, 9], visib_fract=1.0)]
        },
        "test_targets_bop19.json": [dict(scene_id=3, im_id=0, obj_id=1, inst_count=1)],
        "found.json": [found, found],
        "results.csv": "3,0,1,0.5,1 0 0 0 1 0 0 0 1,0 0 500,-1\n",
        "test/000003/rgb/000000.png": encoded("PNG"),
    }


def read_bop(root: Path) -> list[str]:
    bop_dataset.read_camera(root)
    infos = object_models.read_models_info(root / "models")
    for info in infos.values():
        assert np.isfinite(expand_symmetries(info).rotation).all()
    shown = bop_dataset.read_split(root, "test")
    targets = bop_dataset.read_targets(root / "test_targets_bop19.json")
    bop_dataset.target_truths(targets, shown)
    found = detection_file.read_detections(root / "found.json")
    detection_file.read_boxes(root / "found.json", shown[0].path)
    read_results(root / "results.csv")
    faults = [*detection_file.find_detection_faults(found, shown, infos)]
    faults += bop_check.find_target_faults(targets, shown)
    corners = {key: np.array([[-0.03, -0.03, -0.03], [0.03, 0.03, 0.03]]) for key in infos}
    for image in shown:
        faults += bop_check.find_image_faults(image, corners)
    return summarize(faults)


def exif(orientation: int) -> Image.Exif:
    tags = Image.Exif()
    tags[0x0112] = orientation
    return tags


PICTURES = {
    "rgb.png": encoded("PNG"),
    "turned.png": encoded("PNG", exif=exif(6)),
    "grey.png": encoded("PNG", "L"),
    "palette.png": encoded("PNG", "P"),
    "alpha.png": encoded("PNG", "RGBA"),
    "deep.png": cv2.imencode(".png", np.full((4, 5), 60_000, np.uint16))[1].tobytes(),
    "one.png": cv2.imencode(".png", np.zeros((1, 1, 3), np.uint8))[1].tobytes(),
    "rgb.jpg": encoded("JPEG"),
    "turned.jpg": encoded("JPEG", exif=exif(5)),
    "cmyk.jpg": encoded("JPEG", "CMYK"),
    "progressive.jpg": encoded("JPEG", progressive=True),
    "a.bmp": encoded("BMP"),
    "a.tif": encoded("TIFF"),
    "packed.tif": encoded("TIFF", compression="tiff_lzw"),
    "a.webp": encoded("WEBP"),
    "a.ppm": encoded("PPM"),
    "a.jp2": encoded("JPEG2000"),
}


def read_pictures(root: Path) -> list[str]:
    path = root / "picture"
    with contextlib.suppress(UserError):
        images.image_size(path)
    pixels = images.read_image(path)
    assert pixels.dtype == np.uint8 and pixels.ndim == 3 and pixels.shape[2] == 3
    assert images.whole_image_size(path) == images.image_size(path) == pixels.shape[1::-1]
    return []


PARSERS = {
    "annotations": Parser(
        {"annotations.json": annotations(), "a.png": encoded("PNG")},
        read_annotation_file,
        ("a.png", "bbox", "sizes are in metres", "image "),
    ),
    "tables": Parser(
        {
            **{f"own/{name}.json": records for name, records in tables().items()},
            "splits.json": dict(train=["scene-a"]),
            "samples/a.png": encoded("PNG"),
            "maps/a.png": encoded("PNG"),
        },
        read_tables,
        ("own", "splits", "sample s", "check calibrated_sensor and ego_pose"),
    ),
    "submission": Parser({"submission.json": submission()}, read_submission),
    "options": Parser({"options.txt": OPTIONS}, read_options, ("option", "KEY=VALUE", "settings")),
    "checkpoint": Parser({"a.pth": weights()}, read_weights, strategies={"a.pth": weight_files()}),
    "intrinsics": Parser(INTRINSICS, read_intrinsics_files),
    "kitti": Parser(
        {
            "training/label_2/000003.txt": LABEL,
            "training/calib/000003.txt": INTRINSICS["kitti.txt"],
            "frames.txt": "000003\n",
            "training/image_2/000003.png": encoded("PNG"),
        },
        read_kitti,
        ("image_2", "label_2"),
    ),
    "bop": Parser(bop(), read_bop, ("000003", "scene 3", "scene_gt")),
    "image": Parser(
        {"picture": PICTURES["rgb.png"]},
        read_pictures,
        strategies={"picture": binary_files(list(PICTURES.values()))},
    ),
}


def attempt(parser: Parser, root: Path, name: str, content: bytes) -> None:
    """Reads the files with another content of one of them: it is read, or refused in one line that
    names its place, and nothing is written elsewhere."""
    path = root / name
    before = set(root.parent.iterdir())
    path.write_bytes(content)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            lines = parser.read(root)
        for line in lines:
            assert "\n" not in line and ": " in line
    except UserError as error:
        message = str(error)
        assert "\n" not in message, message
        assert len(message) < 4000, message[:4000]
        assert any(word in message for word in (path.name, *parser.places)), message
    finally:
        path.write_bytes(parser.content(name))
    assert set(root.parent.iterdir()) == before

"""The database on disk, through the devkit: what the tables say is what the pictures and the LiDAR
show.
"""

from __future__ import annotations

import filecmp
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import cv2
import matplotlib
import numpy as np
import pytest
from nuscenes import NuScenes
from nuscenes.utils.data_classes import Box, LidarPointCloud
from nuscenes.utils.geometry_utils import points_in_box, view_points
from nuscenes.utils.splits import create_splits_scenes

from epropnp_det.detection.data import nuscenes_convert
from epropnp_det.detection.data.nuscenes_classes import CLASSES
from epropnp_det.errors import UserError
from epropnp_det.synthetic.generate import MARKER, write_database
from epropnp_det.synthetic.motion import moved
from epropnp_det.synthetic.photo import Photo, View, owners_seen, take
from epropnp_det.synthetic.population import CROWD, CROWD_RANGE
from epropnp_det.synthetic.presets import PRESETS
from epropnp_det.synthetic.raycast import RayCaster
from epropnp_det.synthetic.recording import camera_view, scene_of
from epropnp_det.synthetic.rig import CAMERAS, IMAGE_SIZE, LIDAR
from epropnp_det.synthetic.stage import Stage, set_stage
from epropnp_det.synthetic.tables import token
from epropnp_det.synthetic.world import Scene, paint_ground, random_numbers
from tests import tolerances

from .conftest import SEED

matplotlib.use("Agg")
REPOSITORY = Path(__file__).parents[2]


def annotation_token(scene: Scene, track: int, keyframe: int) -> str:
    return token("annotation", token("instance", scene.name, track), keyframe)


def samples(nusc: NuScenes, scenes: dict[str, Scene]) -> Iterator[tuple[Scene, int, dict]]:
    for scene in scenes.values():
        for keyframe in range(scene.keyframes):
            yield scene, keyframe, nusc.get("sample", token("sample", scene.name, keyframe))


def test_two_runs_write_the_same_bytes(database, tmp_path):
    """With another number of processes, too."""
    write_database(tmp_path / "again", "test", SEED, processes=3)
    names = sorted(
        str(path.relative_to(database)) for path in database.rglob("*") if path.is_file()
    )
    assert names == sorted(
        str(path.relative_to(tmp_path / "again"))
        for path in (tmp_path / "again").rglob("*")
        if path.is_file()
    )
    same, different, missing = filecmp.cmpfiles(database, tmp_path / "again", names, shallow=False)
    assert (different, missing) == ([], []) and len(same) == len(names) > 40


def test_a_scene_looks_the_same_without_the_others(database, tmp_path):
    write_database(tmp_path / "alone", "test", SEED, processes=2, scenes=["scene-0103"])
    alone, among = (
        sorted((root / "samples").rglob("*-0103__*")) for root in (tmp_path / "alone", database)
    )
    assert len(alone) == 2 * 7 and [path.read_bytes() for path in alone] == [
        path.read_bytes() for path in among
    ]


def test_another_seed_is_another_world():
    preset = PRESETS["test"]
    first, second = (scene_of(preset, seed, "scene-0061") for seed in (SEED, SEED + 1))
    assert first.road != second.road and first.ego != second.ego


def test_the_devkit_reads_every_table(nusc):
    for table in nusc.table_names:
        assert getattr(nusc, table), table
    splits = create_splits_scenes()
    assert {scene["name"] for scene in nusc.scene} <= {*splits["mini_train"], *splits["mini_val"]}
    for name in ("full", "test"):
        scenes = set(PRESETS[name].scenes)
        assert scenes & set(splits["mini_train"]) and scenes & set(splits["mini_val"])
    assert set(PRESETS["varied"].scenes) == set(splits["mini_train"])
    assert set(PRESETS["full"].scenes) == {*splits["mini_train"], *splits["mini_val"]}


def test_chains_are_closed(nusc):
    """prev and next are each other's inverse, in order of time, within one scene, sensor or
    object.
    """
    for table in ("sample", "sample_data", "sample_annotation"):
        for row in getattr(nusc, table):
            if row["next"]:
                after = nusc.get(table, row["next"])
                assert after["prev"] == row["token"]
                stamps = [
                    r["timestamp"]
                    if "timestamp" in r
                    else nusc.get("sample", r["sample_token"])["timestamp"]
                    for r in (row, after)
                ]
                assert stamps[0] < stamps[1]
    for instance in nusc.instance:
        assert not nusc.get("sample_annotation", instance["first_annotation_token"])["prev"]
        assert not nusc.get("sample_annotation", instance["last_annotation_token"])["next"]
        owned = [
            row for row in nusc.sample_annotation if row["instance_token"] == instance["token"]
        ]
        assert len(owned) == instance["nbr_annotations"]


def test_the_devkit_draws(nusc, tmp_path):
    sample = nusc.sample[0]
    nusc.render_sample_data(
        sample["data"]["CAM_FRONT"], out_path=str(tmp_path / "camera.png"), verbose=False
    )
    nusc.render_sample_data(
        sample["data"][LIDAR], out_path=str(tmp_path / "lidar.png"), verbose=False
    )
    nusc.render_annotation(
        nusc.sample_annotation[0]["token"], out_path=str(tmp_path / "annotation.png")
    )
    nusc.render_egoposes_on_map(
        log_location=nusc.log[0]["location"], out_path=str(tmp_path / "map.png")
    )
    matplotlib.pyplot.close("all")
    assert len(list(tmp_path.glob("*.png"))) == 4


def test_the_vehicle_drives_on_the_map(nusc):
    mask = nusc.map[0]["mask"]
    positions = np.array([pose["translation"] for pose in nusc.ego_pose])
    assert mask.is_on_mask(positions[:, 0], positions[:, 1]).all()
    assert not mask.mask().all()


def test_every_sensor_has_its_own_time_and_pose(nusc, scenes):
    for scene, keyframe, sample in samples(nusc, scenes):
        data = [nusc.get("sample_data", name) for name in sample["data"].values()]
        poses = [nusc.get("ego_pose", row["ego_pose_token"]) for row in data]
        assert (
            len(data)
            == 7
            == len({row["timestamp"] for row in data})
            == len({tuple(pose["translation"]) for pose in poses})
        )
        assert len({tuple(pose["rotation"]) for pose in poses}) == 7
        for row, pose in zip(data, poses):
            lead = (sample["timestamp"] - row["timestamp"]) * 1e-6
            assert row["timestamp"] == pose["timestamp"] and 0 <= lead < 0.05
            assert (lead == 0) == (row["channel"] == LIDAR)
            drive = scene.ego.motion.position(
                scene.time(keyframe) - lead
            ) - scene.ego.motion.position(0.0)
            first = nusc.get("ego_pose", token("data", token("sample", scene.name, 0), LIDAR))
            np.testing.assert_allclose(
                np.subtract(pose["translation"], first["translation"])[:2],
                drive,
                atol=tolerances.FINITE_DIFFERENCE,
            )


def test_velocities_of_tracks_are_those_of_the_motion(nusc, scenes):
    """The devkit's difference of two positions half a second apart points along the chord: off by
    half the turn in between.
    """
    known = unknown = 0
    for scene, keyframe, _ in samples(nusc, scenes):
        for index in scene.present(keyframe):
            velocity = nusc.box_velocity(annotation_token(scene, index, keyframe))
            motion = scene.tracks[index].motion
            if np.isnan(velocity).any():
                assert len([k for k in range(scene.keyframes) if index in scene.present(k)]) == 1
                unknown += 1
                continue
            turn = abs(motion.turn_rate) * (scene.time(1) - scene.time(0)) / 2
            error = np.linalg.norm(velocity[:2] - motion.velocity(scene.time(keyframe)))
            assert error <= motion.speed * turn + tolerances.TRACK_VELOCITY and velocity[2] == 0
            known += 1
    assert known > 50 and unknown >= 2


def test_attributes_match_the_motion(nusc, scenes):
    moving = {"vehicle.moving", "pedestrian.moving", "cycle.with_rider"}
    for scene, keyframe, _ in samples(nusc, scenes):
        for index in scene.present(keyframe):
            row = nusc.get("sample_annotation", annotation_token(scene, index, keyframe))
            names = [nusc.get("attribute", name)["name"] for name in row["attribute_tokens"]]
            assert (scene.tracks[index].motion.speed > 0) == bool(moving & set(names))


def test_lidar_points_fall_inside_their_boxes(nusc, scenes):
    """The devkit finds in every box as many points as hit its object, and none in all boxes that
    hit something else.
    """
    total = 0
    for _, _, sample in samples(nusc, scenes):
        path, boxes, _ = nusc.get_sample_data(sample["data"][LIDAR])
        points = LidarPointCloud.from_file(path).points[:3]
        for box in boxes:
            inside = int(points_in_box(box, points).sum())
            assert inside == nusc.get("sample_annotation", box.token)["num_lidar_pts"], box
            total += inside
    assert total > 1000


def test_lidar_file_is_laid_out_as_nuscenes_has_it(nusc):
    path = nusc.get_sample_data_path(nusc.sample[0]["data"][LIDAR])
    points = np.fromfile(path, np.float32).reshape(-1, 5)
    assert 15000 < len(points) <= 32 * 1084 and points[:, :3].any()
    assert (
        set(np.unique(points[:, 4])) <= set(range(32))
        and ((points[:, 3] >= 0) & (points[:, 3] <= 255)).all()
    )


def silhouette(pixels: np.ndarray) -> np.ndarray:
    """x1, y1, x2, y2 around the pixels (H, W) of a mask."""
    rows, columns = np.nonzero(pixels)
    return np.array([columns.min(), rows.min(), columns.max() + 1, rows.max() + 1])


def bounds(points: np.ndarray) -> np.ndarray:
    return np.concatenate([points.min(axis=0), points.max(axis=0)])


def unhidden(
    scene: Scene, keyframe: int, view: View, stage: Stage
) -> Iterator[tuple[int, np.ndarray, np.ndarray]]:
    """Tracks that lie in the picture as a whole and behind nothing: index, silhouette, box of the
    projected mesh.
    """
    owner = owners_seen(view, stage)
    for index, shape in stage.shapes.items():
        projected = view.project(shape.vertices)
        outline = bounds(projected[:, :2])
        if (
            projected[:, 2].min() < 0.5
            or (outline[:2] < 0).any()
            or (outline[2:] > IMAGE_SIZE).any()
        ):
            continue
        columns, rows = (
            np.arange(np.floor(outline[axis]), np.ceil(outline[axis + 2])) for axis in (0, 1)
        )
        pixels = np.stack(np.meshgrid(columns, rows), axis=-1).reshape(-1, 2)
        alone = (
            RayCaster(shape.triangles).triangles_hit(view.origin, view.directions(pixels + 0.5))
            >= 0
        )
        seen = owner == index
        if 0 < seen.sum() == alone.sum():
            yield index, silhouette(seen), outline


def cuboid(box: Box, intrinsic: list) -> np.ndarray:
    return bounds(view_points(box.corners(), np.array(intrinsic), normalize=True)[:2].T)


def test_silhouettes_agree_with_boxes(nusc, scenes):
    """Of what is neither hidden nor cut off, the pixels, the mesh and the annotation seen through
    the tables agree.
    """
    compared = set()
    for scene, keyframe, sample in samples(nusc, scenes):
        if keyframe == 0:  # the other one is enough
            continue
        stage = set_stage(scene, keyframe)
        for camera in CAMERAS:
            _, boxes, intrinsic = nusc.get_sample_data(sample["data"][camera.channel])
            boxes = {box.token: box for box in boxes}
            for index, seen, mesh in unhidden(
                scene, keyframe, camera_view(scene, keyframe, camera), stage
            ):
                assert np.abs(seen - mesh).max() <= tolerances.SILHOUETTE, (
                    scene.tracks[index].kind,
                    seen,
                    mesh,
                )
                outer = cuboid(boxes[annotation_token(scene, index, keyframe)], intrinsic)
                grown = outer + tolerances.SILHOUETTE * np.array([-1, -1, 1, 1])
                assert (seen[:2] >= grown[:2]).all() and (seen[2:] <= grown[2:]).all()
                compared.add((scene.name, index))
    assert len(compared) > 15


def test_the_file_shows_what_the_camera_sees(nusc, scenes):
    scene = scenes["scene-0103"]
    camera = CAMERAS[3]
    view = camera_view(scene, 1, camera)
    stage = set_stage(scene, 1)
    rng = random_numbers(SEED, scene.name, 1, camera.channel)
    photo: Photo = take(view, stage, paint_ground(scene), scene.weather, rng)
    data = token("data", token("sample", scene.name, 1), camera.channel)
    stored = cv2.imread(nusc.get_sample_data_path(data))[..., ::-1]
    assert stored.shape == (*IMAGE_SIZE[::-1], 3)
    assert np.abs(stored.astype(float) - photo.image).mean() < tolerances.JPEG
    assert (photo.owner == owners_seen(view, stage)).all()
    calibration = nusc.get(
        "calibrated_sensor", nusc.get("sample_data", data)["calibrated_sensor_token"]
    )
    np.testing.assert_allclose(calibration["camera_intrinsic"], camera.intrinsic)


def test_the_full_preset_is_peopled():
    """All ten classes in every scene, 15 to 40 objects in every keyframe, heading everywhere as the
    vehicle sees it.
    """
    preset = PRESETS["full"]
    headings = []
    for name in ("scene-0061", "scene-0103", "scene-0916"):
        scene = scene_of(preset, SEED, name)
        classes = set()
        for keyframe in range(preset.keyframes):
            here = scene.ego.motion.position(scene.time(keyframe))
            time = scene.time(keyframe)
            tracks = [scene.tracks[i] for i in scene.present(keyframe)]
            near = [
                track
                for track in tracks
                if np.linalg.norm(track.motion.position(time) - here) < CROWD_RANGE
            ]
            assert 15 <= len(near) <= CROWD
            classes |= {track.kind.class_name for track in near}
            headings += [
                track.motion.heading(time) - scene.ego.motion.heading(time) for track in near
            ]
        assert classes == set(CLASSES)
    share, _ = np.histogram(np.mod(headings, 2 * np.pi), 12, (0, 2 * np.pi))
    assert (share > 0.02 * len(headings)).all()


def test_the_world_of_seed_0_is_the_one_the_shipped_models_know():
    """Boxes, colours and shapes of every object of all ten scenes. Another world needs another
    seed, or new trainings.
    """
    preset = PRESETS["full"]
    facts = []
    for name in preset.scenes:
        for track in scene_of(preset, SEED, name).tracks:
            paint = track.shape.colors.mean(0)
            facts.append(
                [
                    *track.center(3.0),
                    track.motion.heading(3.0),
                    *track.size,
                    *paint,
                    len(track.shape.triangles),
                ]
            )
    assert len(facts) == 541
    assert np.abs(facts).sum() == pytest.approx(257015.7178, abs=tolerances.FROZEN_WORLD)


def test_nothing_stands_in_anything_else(scenes):
    for scene in scenes.values():
        for keyframe in range(scene.keyframes):
            time = scene.time(keyframe)
            present = scene.present(keyframe)
            for i in present:
                others = [scene.tracks[j].shape_at(time).vertices for j in present if j != i] + [
                    scene.scenery.shape.vertices
                ]
                track = scene.tracks[i]
                turn = np.linalg.inv(
                    np.block(
                        [
                            [_level(track.motion.heading(time)), track.center(time)[:, None]],
                            [0, 0, 0, 1],
                        ]
                    )
                )
                local = np.abs(moved(turn, np.concatenate(others)))
                assert not (local < np.array(track.size) / 2).all(axis=1).any()


def _level(yaw: float) -> np.ndarray:
    return np.array([[np.cos(yaw), -np.sin(yaw), 0], [np.sin(yaw), np.cos(yaw), 0], [0, 0, 1]])


def test_annotation_files_are_written(database, tmp_path):
    files = nuscenes_convert.write_annotation_files(database, "v1.0-mini", tmp_path)
    assert len(files) == 2
    for path in files:
        data = json.loads(path.read_text())
        assert len(data["images"]) == 12
        assert {row["category_name"] for row in data["annotations"]} == set(CLASSES)
        assert {row["visibility"] for row in data["annotations"]} >= {1, 4}
        assert not all(row["velocity_known"] for row in data["annotations"])


def run_command(*arguments: str) -> subprocess.CompletedProcess:
    command = [
        sys.executable,
        str(REPOSITORY / "tools" / "create_synthetic_nuscenes.py"),
        *arguments,
    ]
    return subprocess.run(
        command, capture_output=True, text=True, env={"PYTHONPATH": str(REPOSITORY)}, check=False
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--preset", "huge"], "unknown preset 'huge'; there are: full, test, varied"),
        (["--processes", "0"], "--processes is 0"),
        (
            ["--preset", "test", "--scenes", "scene-0061", "scene-9999"],
            "the preset has no scene-9999; its scenes: scene-0061, scene-0103",
        ),
    ],
)
def test_bad_settings_are_one_line(tmp_path, arguments, message):
    result = run_command(str(tmp_path / "out"), *arguments)
    assert result.returncode == 2
    assert message in result.stderr and result.stderr.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_a_folder_with_something_in_it_is_left_alone(tmp_path):
    (tmp_path / "precious.txt").write_text("mine")
    result = run_command(str(tmp_path))
    assert (
        result.returncode == 2
        and "is not empty" in result.stderr
        and result.stderr.count("\n") == 1
    )
    with pytest.raises(UserError, match=f"has no {MARKER}"):
        write_database(tmp_path, "test", overwrite=True)
    with pytest.raises(UserError, match="is a file"):
        write_database(tmp_path / "precious.txt", "test")
    assert (tmp_path / "precious.txt").read_text() == "mine"

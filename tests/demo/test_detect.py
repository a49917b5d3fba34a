"""`demo/detect.py` gives each image outputs of its own and keeps every input."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import cv2
import numpy as np
import pytest

from epropnp_det.console import command, detect
from epropnp_det.detection.level_frame import rotation_of_tilt
from epropnp_det.errors import USER_ERROR_EXIT_CODE, UserError
from tests.tolerances import EXACT_FLOAT32

ROOT = Path(__file__).parents[2]
CONFIG = ROOT / "configs/detection/synthetic/epropnp_r18_varied"


def run(
    out: Path, *images: Path | str, intrinsics: str = "1266.4,1266.4,816.3,491.5"
) -> subprocess.CompletedProcess[str]:
    options = ["--intrinsics", intrinsics, "--config", f"{CONFIG}.py"]
    options += ["--checkpoint", f"{CONFIG}.pth", "--out", str(out)]
    words = [sys.executable, str(ROOT / "demo/detect.py"), *map(str, images), *options]
    return subprocess.run(words, capture_output=True, text=True, cwd=ROOT)


def test_outputs_that_cannot_be_written_are_one_line_and_inputs_stay(tmp_path: Path):
    image = tmp_path / "0.png"
    cv2.imwrite(str(image), np.zeros((900, 1600, 3), np.uint8))
    before = image.read_bytes()
    (tmp_path / "file").write_text("x")
    (tmp_path / "blocked" / "0.png").mkdir(parents=True)
    for out in (tmp_path, tmp_path / "file", tmp_path / "blocked"):
        result = run(out, image)
        assert result.returncode == USER_ERROR_EXIT_CODE
        assert result.stderr.strip().splitlines()[-1].startswith("error: ")
        assert "Traceback" not in result.stderr
    assert image.read_bytes() == before


def test_broken_images_are_skipped_and_counted(tmp_path: Path):
    drive = tmp_path / "drive"
    drive.mkdir()
    for name in ("0.png", "3.png"):
        cv2.imwrite(str(drive / name), np.zeros((900, 1600, 3), np.uint8))
    whole = (drive / "0.png").read_bytes()
    (drive / "1.png").write_bytes(whole[: len(whole) // 2])
    (drive / "2.jpg").write_bytes(b"")
    result = run(tmp_path / "out", drive, intrinsics="fov=64.6")
    assert result.returncode == USER_ERROR_EXIT_CODE
    lines = result.stderr.strip().splitlines()
    skipped = [line for line in lines if line.startswith("skipped: image ")]
    assert [line.split(" is ")[0].rsplit("/", 1)[-1] for line in skipped] == ["1.png", "2.jpg"]
    assert lines[-1].startswith("error: 2 of 4 images skipped; first: image ")
    assert {path.name for path in (tmp_path / "out").iterdir()} == {
        f"{stem}{suffix}" for stem in "03" for suffix in (".png", ".json")
    }
    camera = json.loads((tmp_path / "out" / "0.json").read_text())["cam_intrinsic"]
    assert camera[0][2] == 800
    assert camera[0][0] == pytest.approx(1266, abs=5)


def write_film(path: Path, frames: int, code: str = "mp4v") -> Path:
    """A film of the same small picture of a street, 5 frames per second."""
    street = cv2.resize(cv2.imread(str(ROOT / "demo/street.jpg")), (320, 180))
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*code), 5.0, (320, 180))
    for _ in range(frames):
        writer.write(street)
    writer.release()
    return path


def run_shipped(out: Path, *sources: Path | str) -> subprocess.CompletedProcess[str]:
    """The real command with the shipped model."""
    words = [sys.executable, "-m", "epropnp_det", "detect", *map(str, sources)]
    words += ["--intrinsics", "fov=64.6", "--out", str(out), "--device", "cpu"]
    return subprocess.run(words, capture_output=True, text=True, cwd=ROOT)


def test_a_mixed_folder_is_processed_as_far_as_it_goes(tmp_path: Path):
    """What can be is processed, the rest is named, and the exit code is not 0."""
    left = tmp_path / "left"
    right = tmp_path / "right"
    for folder in (left, right):
        folder.mkdir()
        cv2.imwrite(str(folder / "0.png"), np.full((90, 160, 3), 90, np.uint8))
    cv2.imwrite(str(left / "grey.png"), np.full((90, 160), 90, np.uint8))
    cv2.imwrite(str(left / "deep.png"), np.full((90, 160, 3), 90 * 257, np.uint16))
    whole = cv2.imencode(".jpg", np.full((90, 160, 3), 90, np.uint8))[1].tobytes()
    (left / "broken.jpg").write_bytes(whole[: len(whole) // 2])
    (left / "notes.txt").write_text("x")
    write_film(left / "drive.mp4", 3)
    before = {path: path.read_bytes() for path in tmp_path.rglob("*.*")}
    result = run_shipped(tmp_path / "out", left, right)
    assert result.returncode == USER_ERROR_EXIT_CODE
    lines = result.stderr.strip().splitlines()
    assert f"not images or films: {left / 'notes.txt'}" in lines
    broken = f"image {left / 'broken.jpg'} is truncated"
    assert any(line.startswith(f"skipped: {broken}") for line in lines)
    assert lines[-1].startswith(f"error: 1 of 6 files skipped or incomplete; first: {broken}")
    names = ["left_0", "left_deep", "left_grey", "right_0"]
    written = {path.name for path in (tmp_path / "out").iterdir()}
    pictures = {f"{name}{suffix}" for name in names for suffix in (".png", ".json")}
    assert written == pictures | {"left_drive.mp4", "left_drive.json"}
    # The same picture in 8 bits, 16 bits and grey, and in another folder.
    found = [json.loads((tmp_path / "out" / f"{name}.json").read_text()) for name in names]
    assert all(each["detections"] == found[0]["detections"] for each in found)
    check_film(tmp_path / "out/left_drive", left / "drive.mp4", 3)
    assert before == {path: path.read_bytes() for path in before}


def check_film(output: Path, source: Path, frames: int) -> None:
    """The outputs of a film of `write_film`: all frames, and the same objects in each."""
    film = cv2.VideoCapture(str(output.with_suffix(".mp4")))
    assert film.get(cv2.CAP_PROP_FRAME_COUNT) == frames
    assert film.get(cv2.CAP_PROP_FPS) == 5
    # The image, and as high as it the view from above.
    assert film.read()[1].shape == (180, 320 + 144, 3)
    content = json.loads(output.with_suffix(".json").read_text())
    assert content["film"] == str(source) and content["rate"] == 5
    assert [frame["index"] for frame in content["frames"]] == list(range(frames))
    times = [frame["time"] for frame in content["frames"]]
    np.testing.assert_allclose(times, np.arange(frames) / 5, atol=1e-3)
    first, *others = [frame["detections"] for frame in content["frames"]]
    tracks = [box["track"] for box in first]
    assert len(tracks) > 1 and tracks == list(range(len(tracks)))
    strong = {box["track"] for box in first if box["score"] > 0.4}
    assert strong and all(strong <= {box["track"] for box in frame} for frame in others)


def test_films_that_are_broken_are_named_and_keep_their_frames(tmp_path: Path):
    films = tmp_path / "films"
    films.mkdir()
    whole = write_film(films / "cut.avi", 4, "MJPG")
    content = whole.read_bytes()
    (films / "codec.avi").write_bytes(content.replace(b"MJPG", b"ZZZZ"))
    chunks = re.finditer(b"00dc", content[content.index(b"movi") :])
    fourth = list(chunks)[3].start() + content.index(b"movi")
    whole.write_bytes(content[:fourth])
    write_film(films / "none.avi", 0, "MJPG")
    (films / "start.mp4").write_bytes(b"\0" * 100)
    result = run_shipped(tmp_path / "out", films)
    assert result.returncode == USER_ERROR_EXIT_CODE
    lines = result.stderr.strip().splitlines()
    causes = {
        "codec.avi": "has the codec 'ZZZZ'",
        "cut.avi": "ends after 3 of 4 frames",
        "none.avi": "has no frame that can be read",
        "start.mp4": "is cut off, or no film",
    }
    faults = [line for line in lines if line.startswith(("skipped: ", "incomplete: "))]
    for line, (name, cause) in zip(faults, causes.items(), strict=True):
        kind = "incomplete" if name == "cut.avi" else "skipped"
        assert line.startswith(f"{kind}: film {films / name} {cause}")
    assert lines[-1].startswith("error: 4 of 4 files skipped or incomplete; first: film ")
    written = {path.name for path in (tmp_path / "out").iterdir()}
    assert written == {"cut.mp4", "cut.json"}
    check_film(tmp_path / "out/cut", films / "cut.avi", 3)


class EndlessStream(BaseHTTPRequestHandler):
    """Ten small pictures per second, as network cameras send them."""

    def do_GET(self) -> None:
        jpeg = cv2.imencode(".jpg", np.full((90, 160, 3), 90, np.uint8))[1].tobytes()
        self.send_response(200)
        self.send_header("Content-Type", "multipart/x-mixed-replace; boundary=next")
        self.end_headers()
        part = b"--next\r\nContent-Type: image/jpeg\r\nContent-Length: %d\r\n\r\n" % len(jpeg)
        with contextlib.suppress(OSError):  # the reader has gone
            while True:
                self.wfile.write(part + jpeg + b"\r\n")
                time.sleep(0.1)

    def log_message(self, *_: object) -> None:
        pass


def test_control_c_ends_a_stream_and_keeps_its_frames(tmp_path: Path):
    with ThreadingHTTPServer(("127.0.0.1", 0), EndlessStream) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        words = [sys.executable, "-m", "epropnp_det", "detect", "--intrinsics", "fov=64.6"]
        words += [f"http://me:secret@127.0.0.1:{server.server_port}/live", "--device", "cpu"]
        command = subprocess.Popen([*words, "--out", str(tmp_path / "out")], cwd=ROOT)
        while command.poll() is None and not list(tmp_path.glob("out/.live.json.*")):
            time.sleep(0.1)
        command.send_signal(signal.SIGINT)
        assert command.wait(timeout=100) == 0
        server.shutdown()
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"live.mp4", "live.json"}
    text = (tmp_path / "out/live.json").read_text()
    assert len(json.loads(text)["frames"]) >= 1 and "secret" not in text


def test_the_demo_needs_no_arguments(tmp_path: Path):
    words = [sys.executable, "-m", "epropnp_det", "detect", "--demo", "--out", str(tmp_path)]
    environment = {name: value for name, value in os.environ.items() if "DISPLAY" not in name}
    result = subprocess.run(words, capture_output=True, text=True, cwd=ROOT, env=environment)
    assert result.returncode == 0, result.stderr
    assert result.stderr == ""  # no bar where there is no terminal, and no warnings
    assert cv2.imread(str(tmp_path / "street.png")).shape == (900, 1600 + 720, 3)
    assert len(json.loads((tmp_path / "street.json").read_text())["detections"]) > 5


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "give IMAGE and --intrinsics, or --demo"),
        (["a.jpg"], "give IMAGE and --intrinsics, or --demo"),
        (["a.jpg", "--demo"], "leave out yours"),
        (["a.jpg", "--intrinsics", "fov=60", "--config", "c.py"], "c.py needs --checkpoint"),
        (["a.jpg", "--intrinsics", "fov=60", "--batch", "0"], "--batch is 0"),
        (["a.mp4", "--intrinsics", "fov=60", "--frames", "0"], "--frames is 0"),
    ],
)
def test_missing_arguments_are_one_line(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture
):
    assert command.main(["detect", *arguments]) == USER_ERROR_EXIT_CODE
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("error: ") and message in line


def test_a_doubt_is_an_error_where_it_should_be_one(tmp_path: Path):
    cv2.imwrite(str(tmp_path / "0.png"), np.zeros((900, 1600, 3), np.uint8))
    result = run(tmp_path / "out", tmp_path / "0.png", "--strict", intrinsics="400,400,800,450")
    assert result.returncode == USER_ERROR_EXIT_CODE
    assert (
        result.stderr.strip().splitlines()[-1].startswith("error: focal length 400 px is unusual")
    )


def test_files_of_intrinsics_are_not_overwritten(tmp_path: Path):
    (tmp_path / "0.json").write_text("[1, 2, 3, 4]")
    for source in (str(tmp_path), f"{tmp_path}/0.json", f"{tmp_path}/0.json:P2"):
        files = detect.intrinsics_files(source)
        assert files == [tmp_path / "0.json"]
        with pytest.raises(UserError, match="is an input file"):
            detect.refuse_to_overwrite(files, tmp_path, ["0"])
    assert detect.intrinsics_files("1,2,3,4") == []


def test_a_tilted_camera_with_a_lens_gives_detections_in_both_frames(tmp_path: Path):
    options = ["--pitch", "2", "--roll", "-1", "--distortion=-0.05,0.01,0,0,0"]
    result = run(tmp_path / "found", ROOT / "demo/street.jpg", *options)
    assert result.returncode == 0, result.stderr
    assert "Traceback" not in result.stderr
    content = json.loads((tmp_path / "found/street.json").read_text())
    assert content["distortion"] == [-0.05, 0.01, 0, 0, 0]
    assert "y points down" in content["level_frame"]
    best = content["detections"][0]
    rotation = rotation_of_tilt(2.0, -1.0).numpy()
    np.testing.assert_allclose(
        rotation @ best["pose"][:3], best["level"]["pose"][:3], rtol=EXACT_FLOAT32
    )
    assert np.array(best["level"]["covariance"]).shape == (4, 4)

"""Names from files stay inside their folder."""

from __future__ import annotations

from pathlib import Path

import pytest

from epropnp_det.engine.confined_names import check_inside_root, check_one_name, file_under
from epropnp_det.errors import UserError

LEAVING = ("../a.png", "a/../../b", "/etc/passwd", "..", "", "a\0b", "a\nb", r"..\a", r"\\host\a")


@pytest.mark.parametrize("name", LEAVING)
def test_names_that_leave_the_folder_are_refused(tmp_path: Path, name: str) -> None:
    for check in (check_inside_root, check_one_name, lambda each: file_under(tmp_path, each)):
        with pytest.raises(UserError):
            check(name)


@pytest.mark.parametrize("name", ["a/b", ".", "x" * 201, "é" * 101, "a\u2028"])
def test_a_token_is_one_name(name: str) -> None:
    with pytest.raises(UserError, match="cannot be the name of a file"):
        check_one_name(name)
    assert check_one_name("0a.b-c d") == "0a.b-c d"


def test_a_link_to_a_folder_is_followed_and_one_of_a_file_stays_inside(tmp_path: Path) -> None:
    root = tmp_path / "root"
    disk = tmp_path / "disk"
    for folder in (root, disk):
        folder.mkdir()
        (folder / "a.png").write_text("")
    (root / "folder").symlink_to(disk, target_is_directory=True)
    (root / "same.png").symlink_to("a.png")
    (disk / "same.png").symlink_to("a.png")
    (root / "out.png").symlink_to(disk / "a.png")
    (disk / "out.png").symlink_to(tmp_path / "nowhere")
    linked_root = tmp_path / "link"
    linked_root.symlink_to(root)
    for start in (root, linked_root):
        for name in ("a.png", "same.png", "folder/a.png", "folder/same.png", "not there.png"):
            assert file_under(start, name) == start / name
        for name in ("out.png", "folder/out.png"):
            with pytest.raises(UserError, match="is a link that leaves the data root"):
                file_under(start, name)

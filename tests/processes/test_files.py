from __future__ import annotations

import errno
import os
import subprocess
from pathlib import Path

import pytest

from benchmark_runner.processes import files
from benchmark_runner.processes.files import HeldFile, own_folder, remove


def test_a_link_is_removed_and_not_what_it_leads_to(tmp_path):
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "file").touch()
    (tmp_path / "link").symlink_to("folder")
    (tmp_path / "tree").mkdir()
    (tmp_path / "tree" / "link").symlink_to(tmp_path / "folder")
    for name in ("link", "tree", "nothing", "folder/file/below"):
        remove(tmp_path / name)
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["file", "folder"]


def test_what_a_link_leads_to_stays_as_it_is_where_the_link_may_not_be_removed(tmp_path, monkeypatch):
    folder = tmp_path / "folder"
    folder.mkdir(mode=0o750)
    (folder / "file").touch()
    (tmp_path / "link").symlink_to("folder")

    def refused(_path: Path, **_: bool) -> None:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    monkeypatch.setattr(Path, "unlink", refused)
    before = folder.stat()
    with pytest.raises(PermissionError):
        remove(tmp_path / "link")
    with pytest.raises(NotADirectoryError), files._unlocked(tmp_path / "link"):
        pass
    assert [path.name for path in folder.iterdir()] == ["file"] and folder.stat().st_mode == before.st_mode


@pytest.fixture
def emptied(tmp_path):
    """A folder of which nothing stays that pytest could not remove."""
    yield tmp_path
    subprocess.run(["rm", "-rf", str(tmp_path)], check=True)


def test_a_folder_is_removed_however_deep_its_folders_lie_and_whoever_is_locked_out(emptied):
    place = os.open(emptied, os.O_RDONLY)
    for _ in range(3000):  # far beyond the longest path that the kernel takes
        os.mkdir("deep", dir_fd=place)
        below = os.open("deep", os.O_RDONLY, dir_fd=place)
        os.close(place)
        place = below
    os.close(os.open("file", os.O_CREAT, dir_fd=place))
    os.close(place)
    (emptied / "deep" / "locked").mkdir(mode=0o000)
    (emptied / "deep").chmod(0o000)
    remove(emptied / "deep")
    assert list(emptied.iterdir()) == []


def test_a_folder_takes_the_place_of_a_link_and_of_a_file(tmp_path):
    (tmp_path / "real").mkdir()
    (tmp_path / "real" / "file").touch()
    (tmp_path / "link").symlink_to("real")
    (tmp_path / "pipe").write_text("")
    for name in ("link", "pipe", "new/below", "real"):
        own_folder(tmp_path / name)
        assert (tmp_path / name).is_dir() and not (tmp_path / name).is_symlink()
    assert (tmp_path / "real" / "file").exists()


@pytest.fixture
def held(tmp_path):
    file = HeldFile(tmp_path / "file")
    file.write(b"content")
    return file


def test_a_file_in_its_place_is_moved_whole(tmp_path, held):
    held.put_at(tmp_path / "other")
    assert (tmp_path / "other").read_bytes() == b"content" and held.in_place
    assert not (tmp_path / "file").exists()


def test_a_file_that_was_taken_away_is_made_again_from_what_is_held(tmp_path, held):
    (tmp_path / "file").unlink()
    os.mkfifo(tmp_path / "file")
    assert not held.in_place
    assert held.content.read_bytes() == b"content"
    held.put_at(held.path)
    assert (tmp_path / "file").read_bytes() == b"content"


def test_a_new_file_is_written_through_no_link(tmp_path):
    (tmp_path / "foreign").write_text("kept")
    (tmp_path / "file").symlink_to("foreign")
    HeldFile.of(tmp_path / "file", b"new").close()
    assert (tmp_path / "foreign").read_text() == "kept"
    assert (tmp_path / "file").read_bytes() == b"new" and not (tmp_path / "file").is_symlink()

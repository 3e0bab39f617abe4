"""Digests of large files are kept between processes, as long as the files stay as they are."""

import os
import time
from hashlib import sha256

import pytest

from composer.specs import content, kept_digests
from composer.specs.content import file_digest


@pytest.fixture
def file(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(content, "LARGE", 4)
    monkeypatch.setattr(kept_digests, "SETTLED", 0)
    content._digest.cache_clear()
    path = tmp_path / "weights"
    path.write_bytes(b"first")
    return path


def read_anew(path, monkeypatch):
    """Return a digest as another process has it, and whether the file was read for it."""
    content._digest.cache_clear()
    count = []
    digest = content.hashlib.file_digest
    monkeypatch.setattr(
        content.hashlib, "file_digest", lambda *args: (count.append(1), digest(*args))[1]
    )
    found = file_digest(path)
    monkeypatch.setattr(content.hashlib, "file_digest", digest)
    return found, bool(count)


def test_a_large_file_is_read_once(file, monkeypatch):
    assert file_digest(file) == sha256(b"first").hexdigest()
    assert read_anew(file, monkeypatch) == (sha256(b"first").hexdigest(), False)


def test_it_is_found_where_the_file_has_moved(file, monkeypatch):
    file_digest(file)
    (file.parent / "folder").mkdir()
    file.parent.joinpath("folder").rename(file.parent / "other")
    assert read_anew(file, monkeypatch)[1] is False


@pytest.mark.parametrize("same_time", [False, True])
def test_a_file_that_has_changed_is_read_again(file, monkeypatch, same_time):
    file_digest(file)
    stat = file.stat()
    time.sleep(0.02)
    file.write_bytes(b"other")
    if same_time:
        os.utime(file, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    assert read_anew(file, monkeypatch) == (sha256(b"other").hexdigest(), True)


def test_a_file_that_has_just_changed_is_not_kept(file, monkeypatch):
    monkeypatch.setattr(kept_digests, "SETTLED", 10**12)
    file_digest(file)
    assert read_anew(file, monkeypatch)[1] is True


def test_a_small_file_is_not_kept(file, monkeypatch):
    monkeypatch.setattr(content, "LARGE", 6)
    file_digest(file)
    assert read_anew(file, monkeypatch)[1] is True


@pytest.mark.parametrize("damage", [b"", b"\xff\xfe", b"1-2-3-4 abc"])
def test_a_damaged_note_is_not_believed(file, monkeypatch, damage, tmp_path):
    file_digest(file)
    (note,) = (tmp_path / "cache/ensemble-composer/digests").iterdir()
    note.write_bytes(damage)
    assert read_anew(file, monkeypatch)[1] is True


def test_without_a_cache_folder_it_is_only_slower(file, monkeypatch, tmp_path):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    assert file_digest(file) == sha256(b"first").hexdigest()

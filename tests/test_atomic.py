"""Files are written whole or not at all."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from composer.atomic import atomic_file, write_atomically


@pytest.mark.parametrize("durable", [False, True])
def test_a_file_is_replaced_and_nothing_else_is_left(tmp_path, durable):
    path = tmp_path / "file"
    path.write_bytes(b"old")

    write_atomically(path, b"new", durable=durable)

    assert path.read_bytes() == b"new"
    assert list(tmp_path.iterdir()) == [path]


def test_while_it_is_written_a_reader_finds_the_old_file(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(b"old")

    with atomic_file(path) as file:
        file.write(b"new")
        file.flush()
        assert path.read_bytes() == b"old"

    assert path.read_bytes() == b"new"


def test_an_error_leaves_the_old_file_and_nothing_else(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(b"old")

    with pytest.raises(TypeError), atomic_file(path) as file:
        file.writelines([b"half", None])

    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_threads_that_write_the_same_file_do_not_mix(tmp_path):
    path, barrier = tmp_path / "file", threading.Barrier(4)

    def write(letter):
        with atomic_file(path) as file:
            file.write(letter * 50)
            barrier.wait()
            file.write(letter * 50)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(write, (b"a", b"b", b"c", b"d")))

    assert path.read_bytes() in {letter * 100 for letter in (b"a", b"b", b"c", b"d")}
    assert list(tmp_path.iterdir()) == [path]


def test_a_folder_that_is_not_there_is_told(tmp_path):
    with pytest.raises(FileNotFoundError):
        write_atomically(tmp_path / "no" / "file", b"")

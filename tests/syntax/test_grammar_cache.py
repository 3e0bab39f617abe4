import os
import sys

import pytest

from composer.diagnostics import Source
from composer.diagnostics.caches import cache_folder
from composer.syntax import grammar, parse

TEXT = 'use "a" (A)\nroute -> [A]'


@pytest.fixture
def caches(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    grammar.lark.cache_clear()
    yield cache_folder()
    grammar.lark.cache_clear()


def statements():
    grammar.lark.cache_clear()
    return parse(Source("r.ens", TEXT)).statements


def test_tables_that_are_read_back_give_the_same_tree(caches):
    made = statements()
    assert [path.suffix for path in caches.iterdir()] == [".tables"]
    assert statements() == made


def test_damaged_tables_are_made_anew(caches):
    made = statements()
    (path,) = caches.iterdir()
    for damage in (b"", b"junk", path.read_bytes()[:1000]):
        path.write_bytes(damage)
        assert statements() == made
        assert path.stat().st_size > 1000


def test_a_place_that_cannot_be_written_is_no_mistake(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    assert len(statements()) == 2
    grammar.lark.cache_clear()


@pytest.mark.skipif(sys.platform == "win32", reason="folders have no such rights there")
def test_a_folder_that_others_can_write_is_not_trusted(caches):
    caches.mkdir()
    caches.chmod(0o777)
    statements()
    assert list(caches.iterdir()) == []


@pytest.mark.skipif(sys.platform == "win32", reason="folders have no such owners there")
def test_a_folder_of_another_user_is_not_trusted(caches, monkeypatch):
    monkeypatch.setattr(os, "getuid", lambda: 12345)
    statements()
    assert list(caches.iterdir()) == []


def test_another_grammar_has_other_tables(caches):
    one, two = grammar._table("a"), grammar._table("b")
    assert one != two
    assert one.parent == caches

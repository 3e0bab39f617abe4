import pytest

from composer.diagnostics import Mistakes
from composer.syntax import parse, read


def refused(path):
    with pytest.raises(Mistakes) as caught:
        read(path)
    (mistake,) = caught.value.diagnostics
    return mistake


def test_a_file_is_read_under_the_name_that_was_written(tmp_path, monkeypatch):
    (tmp_path / "r.ens").write_text("é", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    source = read("r.ens")
    assert (source.name, source.text) == ("r.ens", "é")


def test_every_way_to_end_a_line_is_the_same(tmp_path):
    path = tmp_path / "r.ens"
    path.write_bytes(b"\xef\xbb\xbfa\r\n-> b\rc\n")
    assert read(path).text == "a\n-> b\nc\n"
    assert len(parse(read(path)).statements) == 2


def test_a_missing_file_suggests_one_like_it(tmp_path):
    (tmp_path / "answers.ens").write_text("A")
    mistake = refused(tmp_path / "answer.ens")
    assert mistake.code == "E501"
    assert mistake.help == f"did you mean `{tmp_path / 'answers.ens'}`?"


def test_a_missing_folder_is_named(tmp_path):
    assert "no folder" in refused(tmp_path / "none" / "r.ens").help


def test_a_folder_is_no_recipe(tmp_path):
    assert refused(tmp_path).code == "E503"


def test_another_encoding_is_named_with_its_line(tmp_path):
    path = tmp_path / "r.ens"
    path.write_bytes("a\nmodèle".encode("latin-1"))
    mistake = refused(path)
    assert mistake.code == "E503"
    assert "0xe8 on line 2" in mistake.message


def test_utf_16_is_recognised(tmp_path):
    path = tmp_path / "r.ens"
    path.write_bytes("abc".encode("utf-16"))
    assert "UTF-16" in refused(path).message


def test_a_nul_character_is_pointed_at(tmp_path):
    path = tmp_path / "r.ens"
    path.write_bytes(b"a\n-> \0")
    mistake = refused(path)
    assert (mistake.code, mistake.place.line, mistake.place.column) == ("E503", 2, 4)


def test_a_path_that_no_system_takes_is_a_mistake_too():
    assert refused("a\0b").code == "E503"
    assert refused("x" * 5000).code == "E503"

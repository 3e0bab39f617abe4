import pytest

from composer.engine.generation import TextStream


def written(pieces, stop=(), **how):
    said = []
    writer = TextStream(stop, said.append, **how)
    for piece in pieces:
        writer.add(piece)
    return said, writer


def test_only_whole_characters_are_emitted():
    said, writer = written(["naï".encode()[:3], "naï".encode()[3:], b"ve"])
    assert said == ["na", "ï", "ve"]
    assert writer.close() == "naïve"


def test_a_broken_end_is_replaced_not_lost():
    said, writer = written([b"a\xc3"])
    assert writer.close() == "a�"
    assert "".join(said) == "a�"


@pytest.mark.parametrize("cut", range(1, 9))
def test_a_stop_string_is_found_across_pieces(cut):
    text = b"one STOP two"
    said, writer = written([text[:cut], text[cut:]], ("STOP",))
    assert writer.stopped
    assert writer.close() == "one " == "".join(said)


@pytest.mark.parametrize("cut", range(1, 9))
def test_a_stop_string_that_is_kept_ends_the_text(cut):
    text = b"one STOP two"
    said, writer = written([text[:cut], text[cut:]], ("STOP",), keep_stop=True)
    assert writer.stopped
    assert writer.close() == "one STOP" == "".join(said)


def test_of_stop_strings_that_are_kept_the_earliest_counts():
    _, writer = written([b"abcdef"], ("ef", "cd"), keep_stop=True)
    assert writer.close() == "abcd"


def test_what_may_begin_a_stop_string_is_held_back():
    said, writer = written([b"a S", b"T"], ("STOP",))
    assert said == ["a "]
    writer.add(b"ART")
    assert "".join(said) == "a START"
    assert not writer.stopped


def test_what_was_held_back_is_emitted_at_the_end():
    said, writer = written([b"a STO"], ("STOP",))
    assert writer.close() == "a STO" == "".join(said)


def test_the_earliest_stop_string_counts():
    _, writer = written([b"abcdef"], ("ef", "cd"))
    assert writer.close() == "ab"


def test_bytes_after_a_stop_string_are_ignored():
    said, writer = written([b"ab.", b"cd"], (".",))
    assert writer.close() == "ab" == "".join(said)


def test_half_a_character_is_no_whole_text():
    writer = TextStream()
    assert writer.whole
    writer.add("é".encode()[:1])
    assert not writer.whole
    writer.add("é".encode()[1:])
    assert writer.whole

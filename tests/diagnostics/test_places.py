from composer.diagnostics import Place, Source

SOURCE = Source("r.ens", "one\ntwo three\n\nfour")


def place(word):
    start = SOURCE.text.index(word)
    return Place(SOURCE, start, start + len(word))


def test_lines_and_columns_count_from_one():
    assert (place("one").line, place("one").column) == (1, 1)
    assert (place("three").line, place("three").column) == (2, 5)
    assert (place("four").line, place("four").column) == (4, 1)


def test_a_line_comes_without_its_break():
    assert [SOURCE.line(i) for i in range(1, 5)] == ["one", "two three", "", "four"]
    assert Source("r.ens", "a\r\nb").line(1) == "a"


def test_an_empty_source_has_one_empty_line():
    source = Source("r.ens", "")
    assert source.line(1) == ""
    assert source.position(0) == (1, 1)


def test_a_place_gives_its_text():
    assert place("three").text == "three"


def test_to_covers_both_places_whichever_comes_first():
    assert place("two").to(place("four")).text == "two three\n\nfour"
    assert place("four").to(place("two")).text == "two three\n\nfour"
    assert place("two three").to(place("three")).text == "two three"


def test_the_text_is_left_out_of_the_repr():
    assert repr(SOURCE) == "Source(name='r.ens')"

"""Lines in the width and the colours of a terminal; what is piped is left as it is."""

import pytest

from composer.cli import screen, terminal
from composer.cli.screen import cut_paths, fitted, print_lines, print_table
from composer.diagnostics.printable import columns

LONG = 'a  recorded("/data/of/a/project/with/many/folders/answers.jsonl")  on cpu'


@pytest.fixture
def before(monkeypatch, capsys):
    """Stand before a terminal of so many columns; return what is written."""

    def call(write, width, **environment):
        monkeypatch.setenv("COLUMNS", str(width))
        monkeypatch.setenv("TERM", "xterm")
        monkeypatch.delenv("NO_COLOR", raising=False)
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        for module in (screen, terminal):
            monkeypatch.setattr(module, "is_terminal", lambda _: True)
        write()
        return capsys.readouterr().out.splitlines()

    return call


def test_a_path_is_cut_at_its_front_and_no_more_than_needed():
    assert cut_paths(LONG, 200) == LONG
    cut = cut_paths(LONG, 60)
    assert cut == 'a  recorded("…/with/many/folders/answers.jsonl")  on cpu'
    assert cut_paths(LONG, 10) == 'a  recorded("…/answers.jsonl")  on cpu'


def test_a_line_is_wrapped_between_words_and_hangs_below_its_beginning():
    rows = fitted("  default: temperature = 0, top_p = 1, max_tokens = 512", 40)
    assert rows == ["  default: temperature = 0, top_p = 1,", "      max_tokens = 512"]
    assert fitted("x" * 50, 20) == ["x" * 20, "    " + "x" * 16, "    " + "x" * 14]


def test_a_line_that_may_be_cut_ends_in_a_mark():
    assert fitted("one two three four", 10, cut=True) == ["one two t…"]
    assert fitted("one two", 10, cut=True) == ["one two"]


def test_wide_letters_count_twice():
    assert all(columns(row)[-1] <= 20 for row in fitted("日本" * 12, 20))


def test_the_widest_column_gives_way(before):
    rows = [("vote", "Keep the answer that most others agree with, or one of them.", "arXiv:1")]
    lines = before(lambda: print_table(rows, 1, ("", "", "")), 44)
    assert lines == [
        "vote  Keep the answer that most      arXiv:1",
        "      others agree with, or one of",
        "      them.",
    ]


STYLES = {r"^\w+(?=:)": screen.BOLD}


def test_a_terminal_gets_colours(before):
    assert before(lambda: print_lines(["plan: a"], STYLES), 80) == ["\x1b[1mplan\x1b[0m: a"]


@pytest.mark.parametrize("environment", [{"NO_COLOR": "1"}, {"TERM": "dumb"}])
def test_whoever_wants_no_colours_gets_none(before, environment):
    assert before(lambda: print_lines(["plan: a"], STYLES), 80, **environment) == ["plan: a"]


def test_what_is_piped_has_neither_colours_nor_a_width(monkeypatch, capsys):
    monkeypatch.setenv("COLUMNS", "40")
    print_lines([LONG], STYLES)
    print_table([("a", LONG)], 1, (screen.BOLD, ""))
    assert capsys.readouterr().out == f"{LONG}\na  {LONG}\n"

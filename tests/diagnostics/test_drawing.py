from pathlib import Path

import pytest

from composer.diagnostics import Diagnostic, Mistakes, Note, Place, Source, draw

GOLDEN = Path(__file__).parent / "golden"


def at(source, word):
    start = source.text.index(word)
    return Place(source, start, start + len(word))


RECIPE = Source(
    "answers.ens",
    'use "zoo.ens" (A, B)\n# as the design shows\n\n'
    "[A, B] -> cascade(B, acept = confidence >= 0.6)\n",
)
CASCADE = Diagnostic(
    "E301",
    "`cascade` takes a query or one answer, but is given Candidates",
    at(RECIPE, "cascade"),
    "takes a query or one answer",
    (Note(at(RECIPE, "[A, B]"), "gives several answers"),),
    "choose one answer first: `vote()`, `rank(...) -> best()` or `regenerate(M)`",
)


def test_a_diagnostic_is_drawn_as_the_design_shows():
    assert draw(CASCADE) == (
        "error[E301]: `cascade` takes a query or one answer, but is given Candidates\n"
        " --> answers.ens:4:11\n"
        "  |\n"
        "4 | [A, B] -> cascade(B, acept = confidence >= 0.6)\n"
        "  | ------ gives several answers\n"
        "  |           ^^^^^^^ takes a query or one answer\n"
        "  = help: choose one answer first: `vote()`, `rank(...) -> best()` or `regenerate(M)`"
    )


def test_a_diagnostic_without_a_place_is_a_line_and_its_help():
    drawn = draw(Diagnostic("E501", "there is no file `a.ens`", help="did you mean `b.ens`?"))
    assert drawn == "error[E501]: there is no file `a.ens`\n  = help: did you mean `b.ens`?"


def test_a_warning_says_so():
    assert draw(Diagnostic("W201", "nothing uses `x`")) == "warning[W201]: nothing uses `x`"


def test_the_values_that_matter_come_before_the_help():
    drawn = draw(Diagnostic("E403", "3 weights for 2 members", values=("A, B", "0.1, 0.2, 0.7")))
    assert drawn.splitlines()[1:] == ["  = note: A, B", "  = note: 0.1, 0.2, 0.7"]


def test_help_of_two_lines_stays_in_line():
    drawn = draw(Diagnostic("E501", "no", help="one\ntwo"))
    assert drawn.splitlines()[1:] == ["  = help: one", "          two"]


def test_a_note_in_another_file_has_its_own_heading(golden):
    zoo = Source("zoo.ens", "\n" * 11 + 'model A = endpoint("a")\n')
    note = Note(at(zoo, "A"), "declared here")
    member = at(RECIPE, "A, B] ->")
    place = Place(RECIPE, member.start, member.start + 1)
    diagnostic = Diagnostic("E302", "`A` gives no logits", place, "needs logits", (note,))
    golden(GOLDEN / "other_file.txt", draw(diagnostic))


def test_lines_far_apart_are_parted_and_near_ones_are_not(golden):
    lines = Source("r.ens", "".join(f"let x{i} = {i}\n" for i in range(1, 12)))
    notes = tuple(Note(at(lines, f"x{i} "), f"number {i}") for i in (1, 2, 4, 11))
    golden(GOLDEN / "lines.txt", draw(Diagnostic("E204", "twice", at(lines, "x8"), "", notes)))


def test_tabs_are_drawn_as_spaces_up_to_their_stop():
    source = Source("r.ens", "\tf(a,\tb)")
    assert draw(Diagnostic("E201", "no `b`", at(source, "b"))).splitlines()[-2:] == [
        "1 |     f(a,    b)",
        "  |             ^",
    ]


def test_wide_characters_take_two_columns_and_combining_ones_none():
    source = Source("r.ens", 'f("世界", "e\u0301", b)')
    assert draw(Diagnostic("E201", "no", at(source, "b"))).splitlines()[-1] == (
        "  |" + " " * 16 + "^"
    )
    assert draw(Diagnostic("E201", "no", at(source, "世界"))).splitlines()[-1] == "  |    ^^^^"


def test_what_would_spoil_a_terminal_is_replaced():
    source = Source("r.ens", 'f("\x1b[31m\u202e", b)')
    drawn = draw(Diagnostic("E201", "no \x1b[2J", at(source, "b"), "a\x07"))
    assert "\x1b" not in drawn
    assert "\u202e" not in drawn
    assert "\x07" not in drawn


@pytest.mark.parametrize("before", [0, 30, 5000])
def test_a_long_line_is_cut_around_its_subject(before):
    source = Source("r.ens", "x" * before + " subject " + "y" * 5000)
    line, marks = draw(Diagnostic("E201", "no", at(source, "subject"))).splitlines()[-2:]
    assert len(line) < 120
    assert line[marks.index("^") : marks.rindex("^") + 1] == "subject"
    assert line.endswith("...")


def test_labels_that_one_cut_line_cannot_show_are_drawn_apart():
    source = Source("r.ens", "first " + "x" * 500 + " second")
    notes = (Note(at(source, "first"), "here"),)
    drawn = draw(Diagnostic("E204", "twice", at(source, "second"), "there", notes)).splitlines()
    assert len([row for row in drawn if row.startswith("1 |")]) == 2
    assert drawn[-1].endswith("^^^^^^ there")


def test_a_place_of_several_lines_is_underlined_on_its_first():
    source = Source("r.ens", "f(\n  a)")
    assert draw(Diagnostic("E201", "no", Place(source, 0, 7))).splitlines()[-1] == "  | ^^"


def test_the_end_of_a_file_can_be_pointed_at():
    source = Source("r.ens", "a ->")
    assert draw(Diagnostic("E102", "no", Place(source, 4, 4))).splitlines()[-1] == "  |     ^"
    empty = Source("r.ens", "")
    assert draw(Diagnostic("E207", "no", Place(empty, 0, 0))).splitlines()[-2:] == ["1 |", "  | ^"]


def test_colour_changes_nothing_but_colour():
    import re

    coloured = draw(CASCADE, color=True)
    assert "\x1b[" in coloured
    assert re.sub(r"\x1b\[[\d;]*m", "", coloured) == draw(CASCADE)


def test_mistakes_are_drawn_in_the_order_of_their_places():
    later = Diagnostic("E201", "later", at(RECIPE, "confidence"))
    earlier = Diagnostic("E201", "earlier", at(RECIPE, "A"))
    mistakes = Mistakes([later, earlier])
    assert [d.message for d in mistakes.diagnostics] == ["earlier", "later"]
    assert str(mistakes) == draw(earlier) + "\n\n" + draw(later)


def test_a_program_gets_plain_values():
    import json

    values = CASCADE.as_dict()
    assert json.loads(json.dumps(values)) == values
    assert (values["file"], values["line"], values["column"]) == ("answers.ens", 4, 11)
    assert (values["end_line"], values["end_column"]) == (4, 18)
    assert values["severity"] == "error"
    assert values["notes"][0]["label"] == "gives several answers"


def test_a_program_gets_nulls_where_there_is_no_place():
    assert Diagnostic("E501", "no").as_dict()["line"] is None

import pytest

from composer.compiler.pictures import MemberChip
from composer.compiler.pictures.box_text import weight


def boxes(picture):
    return {box.title: box for box in picture.boxes}


def lines(picture):
    titles = {box.id: box.title for box in picture.boxes}
    return {(titles[edge.source], titles[edge.target]) for edge in picture.edges}


def dashed(picture):
    titles = {box.id: box.title for box in picture.boxes}
    return {(titles[e.source], titles[e.target]) for e in picture.edges if e.maybe}


def test_a_model_that_is_asked_is_one_box_of_its_name(drawn):
    assert [box.title for box in drawn("A").boxes] == ["query", "A"]


def test_a_model_box_names_its_backend_and_nothing_secret(drawn):
    assert boxes(drawn("A"))["A"].facts == ('zoo("general-1")',)


def test_a_fuse_holds_its_members_with_their_weights(drawn):
    fuse = boxes(drawn("token_fuse(A, B, weights = [0.75, 0.25])"))["token_fuse"]
    assert fuse.chips == (MemberChip("A", weight(0.75)), MemberChip("B", weight(0.25)))


def test_a_formula_shows_its_coefficients(drawn):
    fuse = boxes(drawn("token_fuse(D + 0.5 * (B - A))"))["token_fuse"]
    assert fuse.chips == (
        MemberChip("D", weight(1)),
        MemberChip("B", weight(0.5)),
        MemberChip("A", weight(-0.5)),
    )


def test_members_under_prompts_show_the_model_that_they_are(drawn):
    text = 'let loud = prompt("{{ query }}!") -> A\ntoken_fuse(loud, A)'
    assert [str(chip) for chip in boxes(drawn(text))["token_fuse"].chips] == ["loud: A", "A"]


def test_a_fuse_inside_a_fuse_is_a_box_of_its_own(drawn):
    picture = drawn("span_fuse(token_fuse(A, B), C)")
    assert ("token_fuse", "span_fuse") in lines(picture)
    assert boxes(picture)["token_fuse"].kind == "model"


def test_a_route_shows_its_estimator_and_its_choices(drawn):
    route = boxes(drawn("route -> [A, B]"))["route"]
    assert route.facts == ("by = perplexity()",)
    assert [str(chip) for chip in route.chips] == ["A", "B"]


def test_what_a_route_may_not_choose_is_dashed(drawn):
    picture = drawn("route -> [A, B]")
    assert dashed(picture) == {("A", "choose"), ("B", "choose"), ("query", "A"), ("query", "B")}
    assert boxes(picture)["A"].maybe


def test_the_mission_is_drawn_as_one_would_sketch_it(drawn):
    picture = drawn("route -> [span_fuse(A, B, C)] -> cascade(D)")
    assert lines(picture) == {
        ("query", "route"),
        ("route", "span_fuse"),
        ("query", "D"),
        ("span_fuse", "cascade"),
        ("D", "cascade"),
    }
    assert dashed(picture) == {("query", "D"), ("D", "cascade")}


def test_the_first_stage_of_a_cascade_always_runs(drawn):
    picture = drawn("cascade(A, B, D)")
    assert not boxes(picture)["A"].maybe
    assert boxes(picture)["B"].maybe
    assert ("query", "cascade") not in lines(picture)


def test_the_first_choice_of_a_fallback_always_runs(drawn):
    assert dashed(drawn("A | B")) == {("query", "B"), ("B", "fallback")}


def test_a_stage_that_runs_anyway_is_not_dashed(drawn):
    picture = drawn("A -> cascade(A)")
    assert not boxes(picture)["A"].maybe
    assert ("query", "A") not in dashed(picture)


def test_a_bank_that_may_not_run_is_a_box(drawn):
    picture = drawn("([A, B] | [C, D]) -> vote()")
    assert [box.title for box in picture.boxes].count("bank") == 2


def test_a_bank_is_the_lines_from_its_branches(drawn):
    assert lines(drawn("[A, B] -> vote()")) >= {("A", "vote"), ("B", "vote")}


def test_a_bank_with_two_users_is_a_box(drawn):
    text = "let all = [A, B]\n[all -> vote(), all -> vote(ties = first())] -> vote()"
    assert "bank" in boxes(drawn(text))


def test_a_name_is_told_where_it_says_more_than_the_box(drawn):
    picture = drawn("[quick: A, B] -> vote()")
    assert sorted(edge.label for edge in picture.edges if edge.label) == ["quick"]


def test_as_written_nothing_is_merged(drawn):
    text = "[A, A] -> vote()"
    assert len(drawn(text, plain=True).boxes) == 1 + len(drawn(text).boxes)


def test_boxes_are_named_as_in_the_plan(drawn):
    from composer.recipe import Recipe

    text = 'model A = zoo("maths")\nmodel B = zoo("text")\n[A, B] -> vote() -> extract(number())\n'
    planned = {step.id: step.op for step in Recipe.load(text).plan().steps}
    picture = drawn("[A, B] -> vote() -> extract(number())")
    told = {box.id: box.title for box in picture.boxes if box.title in ("vote", "extract", "query")}
    assert told.items() <= planned.items()


def test_a_file_is_told_by_its_name_alone(drawn, tmp_path):
    data = tmp_path / "answers.jsonl"
    rows = ('{"query": "q", "recorded": {"A": {"correct": true}, "B": {"correct": false}}}\n',) * 3
    data.write_text("".join(rows))
    picture = drawn(f'route(by = knn("{data}")) -> [A, B]')
    assert boxes(picture)["route"].facts == ('by = knn(data = "answers.jsonl")',)


def test_what_only_a_route_compares_is_not_drawn_twice(drawn):
    picture = drawn("route -> [token_fuse(A, B), D]")
    assert [box.title for box in picture.boxes].count("token_fuse") == 1


@pytest.mark.parametrize("recipe", ["[A, B] -> vote()", "route -> [A, B]", "cascade(A, D)"])
def test_every_line_ends_in_boxes_and_every_box_is_used(drawn, recipe):
    picture = drawn(recipe)
    names = {box.id for box in picture.boxes}
    assert {edge.source for edge in picture.edges} == names - {picture.answer}
    assert {edge.target for edge in picture.edges} <= names

"""`compose eval`: recipes measured beside their members."""

import json
from pathlib import Path

import pytest

from composer.cli import main

ROWS = [
    {
        "id": "1",
        "query": "a",
        "reference": "x",
        "recorded": {"P": {"text": "x"}, "Q": {"text": "y"}},
    },
    {
        "id": "2",
        "query": "b",
        "reference": "x",
        "recorded": {"P": {"text": "y"}, "Q": {"text": "x"}},
    },
    {
        "id": "3",
        "query": "c",
        "reference": "x",
        "recorded": {"P": {"text": "x"}, "Q": {"text": "x"}},
    },
]
MODELS = 'model P = recorded("rows.jsonl", "P")\nmodel Q = recorded("rows.jsonl", "Q")\n'


@pytest.fixture
def evaluate(tmp_path, monkeypatch, capfd):
    """Run `compose eval` in this process; return its exit status, output and messages."""
    monkeypatch.chdir(tmp_path)
    Path("rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in ROWS))
    Path("vote.ens").write_text(MODELS + "[P, P, Q] -> vote()\n")
    Path("first.ens").write_text(MODELS + "route(by = uniform()) -> [Q, P]\n")
    Path("drawn.ens").write_text(MODELS + "route(by = random()) -> [Q, P]\n")

    def call(*arguments):
        with pytest.raises(SystemExit) as caught:
            main(["eval", *arguments, "--data", "rows.jsonl"])
        out, err = capfd.readouterr()
        return caught.value.code, out, err

    return call


def test_a_recipe_is_measured_beside_its_members(evaluate):
    status, out, _ = evaluate("vote.ens", "--json")
    told = json.loads(out)
    report = told if "accuracy" in told else told["recipes"][0]
    assert status == 0
    assert report["rows"] == 3
    assert report["accuracy"] == pytest.approx(2 / 3)
    assert report["members"] == pytest.approx({"P": 2 / 3, "Q": 2 / 3})
    assert report["oracle"] == 1
    assert {"interval", "best_member", "random", "cost", "seconds"} <= set(report)


def test_several_recipes_are_compared(evaluate):
    status, out, _ = evaluate("vote.ens", "first.ens")
    assert status == 0
    assert "vote.ens" in out
    assert "first.ens" in out


def test_a_recipe_with_mistakes_is_not_measured(evaluate):
    Path("wrong.ens").write_text("[A] -> voet()\n")
    status, out, err = evaluate("wrong.ens")
    assert (status, out) == (1, "")
    assert "error[E2" in err


def test_data_is_needed(evaluate):
    with pytest.raises(SystemExit) as caught:
        main(["eval", "vote.ens"])
    assert caught.value.code == 2


def told(text):
    return [json.loads(line) for line in text.splitlines()]


def test_decisions_alone_are_one_line_each(evaluate):
    Path("drawn.ens").write_text(MODELS + "route(by = random()) -> [Q, P]\n")
    status, out, _ = evaluate("drawn.ens", "--route-only", "--json")
    lines = told(out)
    assert status == 0
    assert [line["id"] for line in lines] == ["1", "2", "3"]
    assert all(line["chosen"][0] in {"P", "Q"} for line in lines)
    assert all(set(line["estimates"]) == {"P", "Q"} for line in lines)


def test_decisions_are_told_in_shares_and_judged_by_what_was_recorded(evaluate):
    Path("long.ens").write_text(MODELS + "route(by = length()) -> [Q, P]\n")
    status, out, _ = evaluate("long.ens", "--route-only")
    assert status == 0
    assert "100.0 %" in out
    assert "with this setting it decides nothing" in out


def test_a_recipe_without_a_route_cannot_only_decide(evaluate):
    status, out, err = evaluate("vote.ens", "--route-only")
    assert (status, out) == (3, "")
    assert "error[E712]" in err


@pytest.mark.parametrize("name", ["curve.svg", "curve.PNG"])
def test_a_plot_is_drawn_beside_the_report(evaluate, name):
    Path("drawn.ens").write_text(MODELS + "route(by = random()) -> [Q, P]\n")
    status, out, _ = evaluate("drawn.ens", "--plot", name)
    assert status == 0
    assert "the route, 3 rows" in out
    start = b"<?xml" if name.endswith("svg") else b"\x89PNG"
    assert Path(name).read_bytes().startswith(start)


def test_a_plot_of_another_kind_is_refused(evaluate):
    status, out, err = evaluate("vote.ens", "--plot", "curve.jpg")
    assert (status, out) == (2, "")
    assert ".png, .svg, .pdf" in err


def test_without_the_extra_nothing_is_evaluated_and_it_says_what_to_install(evaluate, monkeypatch):
    monkeypatch.setattr("composer.cli.common.find_spec", lambda _: None)
    status, out, err = evaluate("vote.ens", "--plot", "curve.svg")
    assert (status, out) == (2, "")
    assert "ensemble-composer[plot]" in err


def test_a_folder_that_is_not_there_is_told_before_anything_is_evaluated(evaluate):
    status, out, err = evaluate("vote.ens", "--plot", "no/curve.svg")
    assert (status, out) == (3, "")
    assert "does not exist" in err


def test_a_plot_that_cannot_be_drawn_loses_no_report(evaluate):
    status, out, err = evaluate("vote.ens", "--plot", "curve.svg")
    assert status == 3
    assert "vote.ens" in out
    assert "error[E712]" in err


def test_nothing_of_a_table_is_cut_where_it_is_wider_than_the_lines(evaluate, monkeypatch):
    monkeypatch.setenv("COLUMNS", "40")
    name = "a_recipe_whose_name_alone_is_longer_than_forty_columns.ens"
    Path(name).write_text(MODELS + "route(by = random()) -> [Q, P]\n")
    _, out, _ = evaluate(name)
    lines = out.splitlines()
    assert max(map(len, lines)) <= 40
    assert name in "".join(line.split("  ")[0] for line in lines)


def test_pickles_are_refused(evaluate):
    Path("rows.pkl").write_bytes(b"\x80\x04.")
    with pytest.raises(SystemExit) as caught:
        main(["eval", "vote.ens", "--data", "rows.pkl"])
    assert caught.value.code == 1


@pytest.mark.parametrize(("answered", "status", "count"), [("bc", 4, "1 of 3"), ("", 3, "3 of 3")])
def test_rows_that_fail_are_counted_and_the_first_reason_is_told(evaluate, answered, status, count):
    rows = [row for row in ROWS if row["query"] in answered]
    if not rows:
        lacking = [{**row, "recorded": {"Q": row["recorded"]["Q"]}} for row in ROWS]
        rows = [{**ROWS[0], "id": "9", "query": "other"}, *lacking]
    Path("some.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    Path("one.ens").write_text('model P = recorded("some.jsonl", "P")\nP\n')
    got, out, err = evaluate("one.ens", "--json", "--no-members")
    report = json.loads(out)
    assert got == status
    assert f"one.ens: {count} rows failed, first 1: " in err
    assert report["failure"].startswith("1: ")


def test_decisions_that_cannot_be_judged_say_whose_outcomes_are_missing(evaluate, capfd):
    rows = [{**row, "recorded": {"P": row["recorded"]["P"]}} for row in ROWS]
    Path("some.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    Path("drawn.ens").write_text(MODELS + "route(by = random()) -> [Q, P]\n")
    arguments = ["eval", "drawn.ens", "--route-only", "--data", "some.jsonl"]
    with pytest.raises(SystemExit):
        main(arguments)
    out, _ = capfd.readouterr()
    with pytest.raises(SystemExit) as caught:
        main([*arguments, "--plot", "curve.svg"])
    _, err = capfd.readouterr()
    assert caught.value.code == 3
    assert "so no choice is evaluated; missing: Q." in " ".join(out.split())
    assert "nothing to plot for drawn.ens" in err
    assert "leave out `--route-only`" in err


JUDGE = """model J = fake(says = "Both are the same. [[right]]", price = [1, 1])
J
"""


def test_answers_are_graded_by_the_grader_that_is_named(evaluate):
    status, out, _ = evaluate("vote.ens", "--how", 'regex("^y$")', "--json")
    report = json.loads(out)
    assert status == 0
    assert report["accuracy"] == pytest.approx(1 / 3)
    assert report["members"] == pytest.approx({"P": 1 / 3, "Q": 1 / 3})


def test_a_recipe_that_judges_is_billed_by_itself(evaluate):
    Path("judge.ens").write_text(JUDGE)
    status, out, _ = evaluate("vote.ens", "--how", 'judge("judge.ens")', "--json", "--no-members")
    report = json.loads(out)
    assert status == 0
    assert (report["accuracy"], report["cost"]) == (1, 0)
    assert report["judging"]["calls"] == 3
    assert report["judging"]["cost"] > 0


def test_a_judge_without_a_verdict_grades_nothing(evaluate):
    Path("judge.ens").write_text(JUDGE.replace("[[right]]", "Perhaps."))
    status, out, err = evaluate("vote.ens", "--how", 'judge("judge.ens")', "--no-members")
    assert status == 3
    assert "3 answers could not be graded and did not count" in " ".join(out.split())
    assert "vote.ens: 3 of 3 answers have no grade, first 1: the judge's reply has no" in err


def test_a_row_may_have_a_grader_of_its_own(evaluate, capfd):
    rows = [{**ROWS[0], "grader": 'regex("^y$")'}, ROWS[1], {**ROWS[2], "grader": "contains"}]
    Path("own.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    with pytest.raises(SystemExit):
        main(["eval", "vote.ens", "--data", "own.jsonl", "--json", "--no-members"])
    assert json.loads(capfd.readouterr()[0])["accuracy"] == pytest.approx(1 / 3)
    Path("own.jsonl").write_text(json.dumps({**ROWS[0], "grader": "numric"}) + "\n")
    with pytest.raises(SystemExit) as caught:
        main(["eval", "vote.ens", "--data", "own.jsonl"])
    _, err = capfd.readouterr()
    assert caught.value.code == 1
    assert "did you mean `numeric`" in err
    assert "own.jsonl:1" in err


def test_a_slip_in_a_grader_is_shown_before_anything_is_asked(evaluate):
    status, out, err = evaluate("vote.ens", "--how", "numeric(reader = bokset())")
    assert (status, out) == (1, "")
    assert "--how:1:18" in err


def test_data_without_anything_to_grade_by_are_refused_before_anything_is_asked(evaluate, capfd):
    Path("bare.jsonl").write_text('{"query": "a"}\n')
    Path("says.ens").write_text('model M = fake(says = "x")\nM\n')
    with pytest.raises(SystemExit) as caught:
        main(["eval", "says.ens", "--data", "bare.jsonl"])
    out, err = capfd.readouterr()
    assert (caught.value.code, out) == (1, "")
    assert "no row of `bare.jsonl` that is used has a `reference`" in err
    assert 'regex("...")' in err
    with pytest.raises(SystemExit) as caught:
        main(["eval", "says.ens", "--data", "bare.jsonl", "--how", 'regex("x")'])
    assert caught.value.code == 0


def rows_of(path):
    return [json.loads(line) for line in Path(path).read_text().splitlines()]


def test_every_row_is_written_with_its_verdict_decision_and_members(evaluate):
    status, _, err = evaluate("vote.ens", "drawn.ens", "--output", "out.jsonl")
    rows = rows_of("out.jsonl")
    assert status == 0
    assert "vote.ens: 3 to go" in err
    assert [row["recipe"] for row in rows] == ["vote.ens"] * 3 + ["drawn.ens"] * 3
    second = next(row for row in rows if (row["recipe"], row["id"]) == ("vote.ens", "2"))
    assert (second["answer"], second["verdict"], second["score"]) == ("y", "wrong", 0)
    assert (second["grade"]["grader"], second["grade"]["reference"]) == ("auto", "x")
    assert second["alone"]["Q"]["verdict"] == "right"
    assert second["members"]["P"]["calls"] == 1
    routed = rows[3]["decision"][0]
    assert routed["op"] == "route"
    assert set(routed["weights"]) == {"P", "Q"}


def test_a_second_evaluation_continues_and_reports_the_same(evaluate):
    options = ("vote.ens", "drawn.ens", "--output", "out.jsonl", "--json")
    whole = json.loads(evaluate(*options)[1])
    lines = Path("out.jsonl").read_text().splitlines(keepends=True)
    Path("out.jsonl").write_text("".join(lines[:4]) + lines[4][:50])
    status, out, err = evaluate(*options)
    again = json.loads(out)
    for one in (*whole["recipes"], *again["recipes"]):
        one.pop("seconds")
    assert (status, again) == (0, whole)
    assert "vote.ens: 3 already answered, 0 to go" in err
    assert "drawn.ens: 1 already answered, 2 to go" in err
    assert sorted(rows["id"] for rows in rows_of("out.jsonl")) == ["1", "1", "2", "2", "3", "3"]


def test_rows_of_another_grader_recipe_or_kind_are_refused(evaluate):
    evaluate("drawn.ens", "--output", "out.jsonl")
    before = Path("out.jsonl").read_text()
    status, _, err = evaluate("drawn.ens", "--output", "out.jsonl", "--how", "contains")
    assert (status, "another grader" in " ".join(err.split())) == (3, True)
    status, _, err = evaluate("drawn.ens", "--output", "out.jsonl", "--route-only")
    assert (status, "only its decision" in " ".join(err.split())) == (3, True)
    Path("drawn.ens").write_text(MODELS + "route(by = length()) -> [Q, P]\n")
    status, _, err = evaluate("drawn.ens", "--output", "out.jsonl")
    assert (status, "an earlier version of drawn.ens" in " ".join(err.split())) == (3, True)
    assert Path("out.jsonl").read_text() == before


def test_decisions_are_written_with_the_outcome_of_the_choice(evaluate):
    assert evaluate("drawn.ens", "--route-only", "--output", "out.jsonl")[0] == 0
    assert evaluate("drawn.ens", "--route-only", "--output", "out.jsonl")[0] == 0
    rows = rows_of("out.jsonl")
    assert [row["id"] for row in rows] == ["1", "2", "3"]
    for row in rows:
        (chosen,) = row["decision"]["chosen"]
        assert row["verdict"] == row["alone"][chosen]["verdict"]


DEAR = 'model M = fake(says = "x", price = [1000, 1000])\nM\n'


def test_rows_that_a_budget_refuses_are_not_asked_and_not_wrong(evaluate):
    Path("dear.ens").write_text(DEAR)
    Path("judge.ens").write_text(JUDGE.replace("[1, 1]", "[1000, 1000]"))
    options = ("dear.ens", "--no-members", "--json", "--output", "out.jsonl")
    status, out, err = evaluate(*options, "--budget", "0.5")
    report = json.loads(out)
    assert (status, report["not_asked"], report["errors"], report["judged"]) == (3, 3, 0, 0)
    assert "dear.ens: 3 of 3 rows were not asked, first 1: [E709]" in err
    assert "spent $0 of $0.5" in err
    status, out, _ = evaluate(*options, "--budget", "2")
    assert (status, json.loads(out)["accuracy"]) == (0, 1)
    _, out, _ = evaluate(*options[:3], "--budget", "0.8", "--how", 'judge("judge.ens")')
    assert json.loads(out)["ungraded"] == 3


def test_cached_answers_are_told_unless_there_is_no_cache(evaluate):
    Path("dear.ens").write_text(DEAR.replace('"x"', '"cached x"'))
    first = json.loads(evaluate("dear.ens", "--no-members", "--json")[1])
    status, out, err = evaluate("dear.ens", "--no-members", "--json")
    again = json.loads(out)
    assert (status, first["cached"], again["cached"], again["cost"]) == (0, 0, 3, 0)
    assert "`--no-cache` asks again" in err
    fresh = json.loads(evaluate("dear.ens", "--no-members", "--json", "--no-cache")[1])
    assert (fresh["cached"], fresh["cost"]) == (0, first["cost"])


def test_a_trace_is_written_and_no_file_is_overwritten(evaluate):
    assert evaluate("vote.ens", "--trace", "trace.jsonl")[0] == 0
    assert [row["id"] for row in rows_of("trace.jsonl")] == ["1", "2", "3"]
    status, _, err = evaluate("vote.ens", "--output", "rows.jsonl")
    assert (status, "--data and --output are the same file" in err) == (2, True)


def test_the_rows_that_changed_sides_are_listed(evaluate, golden, monkeypatch):
    monkeypatch.setenv("COLUMNS", "60")
    rows = [
        {
            "id": f"q{at}",
            "query": f"question {at}, " + "which is long and goes on " * 3,
            "reference": "x",
            "recorded": {
                "P": {"text": "x" if at < 7 else "y"},
                "Q": {"text": "x" if at > 5 else "z"},
            },
        }
        for at in range(9)
    ]
    Path("rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    for name in "PQ":
        Path(f"{name}.ens").write_text(MODELS + f"{name}\n")
    _, out, _ = evaluate("P.ens", "Q.ens", "--no-members")
    golden(Path(__file__).parent / "golden" / "changed.txt", out[out.index("8 of 9") :])
    (changed,) = json.loads(evaluate("P.ens", "Q.ens", "--no-members", "--json")[1])["changed"]
    assert [row["id"] for row in changed["lost"]] == ["q0", "q1", "q2", "q3", "q4", "q5"]
    assert [row["answers"] for row in changed["gained"]] == [["y", "x"]] * 2
    assert changed["p"] == pytest.approx(0.2890625)

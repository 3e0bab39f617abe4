import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from composer.cli.timeline import BAR, bar
from composer.cli.verbs import compose
from composer.run import Failure
from composer.run.trace import Trace, TracedCall
from composer.run.trace_text import clipped

GOLDEN = Path(__file__).parent / "golden"


def step(id_, op, start, seconds, asked=(), **notes):
    return {
        "step": id_,
        "op": op,
        "start": start,
        "seconds": seconds,
        "asked": list(asked),
        "gave": notes.pop("gave", None),
        "error": notes.pop("error", None),
        "notes": notes,
    }


def asked(model, text, what="asked", prompt="What is 17 plus 25?", tokens=3, **more):
    return {
        "model": model,
        "what": what,
        "prompt": [["user", prompt]],
        "text": text,
        "tokens": tokens,
        "seconds": 0.01,
        "spans": [],
        "cached": False,
        **more,
    }


SPAN = {"text": " 42", "winner": "A", "candidates": {"A": " 42", "B": " 41"}, "scores": {}}
STAGE = {
    "answer": "42",
    "by": "fuse",
    "accepted": False,
    "rule": "confidence >= 0.6",
    "signals": {"confidence": 0.41},
    "next": "D",
}

FIRST = {
    "version": 1,
    "id": "1",
    "query": "What is 17 plus 25?",
    "steps": [
        step("A", "model", 0.0, 0.001),
        step(
            "r1", "route", 0.0, 0.2, because="chance", weights={"A": 0.25, "B": 0.75}, gave="B, A"
        ),
        step("r2", "generate", 0.2, 0.5, [asked("fuse", " 42", spans=[SPAN])], gave=" 42"),
        step("r3", "vote", 0.7, 0.0, tally={"42": 2.0, "41": 1.0}, winner="A", gave="42"),
        step("r4", "cascade", 0.7, 0.3, stages=[STAGE], gave="42"),
    ],
}
SECOND = {
    "version": 1,
    "id": "two",
    "query": "Why?",
    "steps": [
        step(
            "r1",
            "generate",
            0.0,
            0.1,
            [asked("A", "", prompt="x" * 400)],
            error="no answer in time",
        )
    ],
}


@pytest.fixture
def traces(tmp_path):
    path = tmp_path / "traces.jsonl"
    path.write_text("".join(json.dumps(each) + "\n" for each in (FIRST, SECOND)))
    return path


def trace(*arguments):
    return CliRunner().invoke(compose, ["trace", *map(str, arguments)], standalone_mode=False)


def test_each_query_is_a_tree_of_steps_with_bars(traces, golden):
    golden(GOLDEN / "trace.txt", trace(traces).stdout)


def node(parent, text, by, reward, **facts):
    return {
        "parent": parent,
        "text": text,
        "by": by,
        "reward": reward,
        "over": False,
        "chosen": False,
        **facts,
    }


def test_a_search_is_drawn_as_a_tree_with_the_way_to_its_answer(tmp_path, golden):
    tree = [
        node(None, "6*2=12\n", "A", 0.7, chosen=True, visits=3, value=0.9),
        node(None, "6*2=11\n", "B", None, visits=1, value=None),
        node(0, "12+5=16\n", "A", 0.2, visits=1, value=0.2),
        node(0, "12+5=17", "B", 0.9, chosen=True, over=True, visits=1, value=0.9),
    ]
    beam = [node(None, "17", "A", 0.5, chosen=True, over=True)]
    steps = [
        step("r1", "process_fuse", 0.0, 0.5, [asked("A", "6*2=12\n")], tree=tree, gave="..."),
        step("r2", "process_fuse", 0.5, 0.1, tree=beam, stopped="max_total_tokens", gave="17"),
    ]
    path = tmp_path / "traces.jsonl"
    path.write_text(json.dumps({"version": 1, "id": "1", "query": "Why?", "steps": steps}) + "\n")
    golden(GOLDEN / "trace_tree.txt", trace(path).stdout)


def test_prompts_are_whole_on_demand(traces, golden):
    golden(GOLDEN / "trace_full.txt", trace(traces, "--full").stdout)


def test_one_query_can_be_picked(traces):
    said = trace(traces, "--id", "two").stdout
    assert "Why?" in said
    assert "17 plus 25" not in said


def test_an_unknown_query_is_refused_with_a_suggestion(traces):
    assert "did you mean `two`?" in str(trace(traces, "--id", "tow").exception)


def test_json_gives_the_traces_as_they_are(traces):
    assert [json.loads(line) for line in trace(traces, "--json").stdout.splitlines()] == [
        FIRST,
        SECOND,
    ]


def test_a_torn_last_line_is_left_out_and_told(traces):
    with traces.open("a") as file:
        file.write('{"version": 1, "id"')
    result = trace(traces, "--json")
    assert len(result.stdout.splitlines()) == 2
    assert "the last line is incomplete" in result.stderr


@pytest.mark.parametrize(
    "line",
    [
        "no json",
        "[]",
        '{"version": 3, "id": "1", "query": "", "steps": []}',
        '{"version": 1, "id": "1", "query": ""}',
        '{"version": 1, "id": "1", "query": "", "steps": [{"step": "r1"}]}',
        json.dumps({**FIRST, "steps": [step("r1", "vote", 0, 0, [{"model": "A"}])]}),
    ],
)
def test_a_line_that_is_no_trace_is_named(traces, line):
    traces.write_text(json.dumps(FIRST) + "\n" + line + "\n" + json.dumps(SECOND) + "\n")
    failure = trace(traces).exception
    assert isinstance(failure, Failure)
    assert failure.code == "E504"
    assert "line 2" in failure.message


def test_a_file_that_is_no_text_is_told_in_words(tmp_path):
    path = tmp_path / "traces.jsonl"
    path.write_bytes(b"\xff\xfe\x00")
    assert trace(path).exception.code == "E503"


def test_separators_inside_of_texts_end_no_line(traces):
    odd = {**FIRST, "query": "one\u2028two"}
    traces.write_text(json.dumps(odd, ensure_ascii=False) + "\n", encoding="utf-8")
    assert json.loads(trace(traces, "--json").stdout)["query"] == "one\u2028two"


def test_control_characters_do_not_reach_the_terminal(traces):
    odd = {**FIRST, "query": "red \x1b[31m", "id": "\x1b[0m"}
    traces.write_text(json.dumps(odd) + "\n")
    assert "\x1b" not in trace(traces).stdout


def test_a_run_tells_its_trace_in_the_same_words(traces):
    lived = Trace("1", "Why?")
    event = lived.begin("r1", "generate")
    event.asked.append(TracedCall("A", "asked", [("user", "Why?")], text="because", tokens=2))
    event.notes["winner"] = "A"
    event.end = event.start
    told = list(lived.lines())
    assert told == [
        "r1 generate  (0.000 s)",
        "    asked A: 'because'  (2 tokens)",
        "    winner: A",
    ]
    traces.write_text(json.dumps(lived.as_dict()) + "\n")
    said = trace(traces).stdout
    assert all(line.strip() in said for line in told[1:])


@pytest.mark.parametrize(
    ("start", "seconds", "drawn"),
    [(0, 1, "█" * BAR), (0.5, 0.5, " " * 12 + "█" * 12), (0, 0, "▏"), (1, 0, " " * 23 + "▏")],
)
def test_bars_show_when_and_how_long(start, seconds, drawn):
    assert bar(start, seconds, 1) == drawn.ljust(BAR)


def test_a_long_text_keeps_both_ends():
    cut = clipped("a" * 100 + "b" * 100, 50)
    assert len(cut) == 50
    assert cut[0] == "a"
    assert cut[-1] == "b"

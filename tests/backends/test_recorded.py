"""Recorded answers are replayed by id and by text, greedily and by draw."""

import asyncio
import gzip
import json
import math
from pathlib import Path

import pytest
from fusing import drawn, opened

from composer.backends import BACKENDS, Capability, ModelError
from composer.data import read
from composer.specs import Declared
from composer.values import Generate, Query, Sampling
from composer.values.details import TokenDetail

recorded = BACKENDS["recorded"]
DATA = Path(__file__).parents[3] / "shared" / "data" / "recorded"
DRAW = Sampling(temperature=1.0)

ROWS = [
    {
        "id": "q1",
        "query": "One?",
        "reference": "1",
        "recorded": {
            "m": {
                "text": "1",
                "answers": ["1", "2", None],
                "correct": True,
                "logprob": -0.5,
                "prompt_tokens": 10,
                "completion_tokens": 20,
                "cost": 0.25,
            },
            "judged": {"correct": True},
        },
    },
    {"id": "q2", "query": "Two?", "recorded": {"judged": {"correct": False}}},
    {"id": "q3", "query": "Two?", "recorded": {"judged": {"correct": True}}},
    {"id": "7", "query": "Seven?", "recorded": {"judged": {"correct": True}}},
]


def write(path, rows=ROWS):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return str(path)


@pytest.fixture
def file(tmp_path):
    return write(tmp_path / "a.jsonl")


def ask(member, text, sampling=Sampling(), **query):  # noqa: B008 - Sampling is frozen
    return asyncio.run(drawn(member, Query.of(text, **query), sampling))


def test_an_answer_is_found_by_text(file):
    text, _ = ask(opened(recorded(file=file, model="m")), "One?", id="anything")

    assert text.text == "1"


def test_a_name_of_an_id_is_enough(file):
    text, _ = ask(opened(recorded(file=file, model="m")), "Answer: One?", id="q1")

    assert text.text == "1"


def test_a_number_alone_does_not_identify_a_question(file):
    member = opened(recorded(file=file, model="judged"))

    with pytest.raises(ModelError, match="the id `7` belongs to another question"):
        ask(member, "What is 3 + 4?", id="7")


def test_among_equal_questions_the_id_decides(file):
    member = opened(recorded(file=file, model="judged"))

    assert [ask(member, "Two?", id=name)[0].text for name in ("q2", "q3")] == ["(wrong)", "(right)"]


def test_a_rewritten_query_counts_as_the_first_one(file):
    first = Query.of("One?", id="5")
    second = first.asking("Think! One?", before=first)

    text, _ = asyncio.run(drawn(opened(recorded(file=file, model="m")), second))

    assert text.text == "1"


def test_draws_give_the_samples_in_turn(file):
    member = opened(recorded(file=file, model="m"))
    seeds = [900, 17, 5, 3, 900]

    answers = [ask(member, "One?", Sampling(temperature=1.0, seed=seed))[0] for seed in seeds]

    assert [None if one.extracted else one.text for one in answers] == ["1", "2", None, "1", "1"]


def test_a_judgement_stays_with_the_words_it_judges(file):
    member = opened(recorded(file=file, model="m"))

    right, other, _ = (
        ask(member, "One?", Sampling(temperature=1.0, seed=seed))[0] for seed in range(3)
    )

    assert right.facts["correct"] is True
    assert "correct" not in other.facts


def test_a_null_sample_abstains(file):
    member = opened(recorded(file=file, model="m"))
    for seed in range(3):
        text, _ = ask(member, "One?", Sampling(temperature=1.0, seed=seed))

    assert (text.text, text.extracted, text.value) == ("", True, None)


def test_the_reference_stands_for_a_right_answer_without_words(file):
    text, _ = ask(opened(recorded(file=file, model="judged")), "One?")

    assert text.text == "1"
    assert text.facts["stand_in"] is True


def test_a_log_probability_is_the_confidence_in_the_whole_answer(file):
    text, _ = ask(opened(recorded(file=file, model="m")), "One?")

    assert text.confidence == pytest.approx(math.exp(-0.5))
    assert text.logprobs == ()


def test_a_log_probability_that_was_rounded_above_0_is_0(tmp_path):
    rows = [{"query": "q", "recorded": {"m": {"text": "a", "logprob": 1e-9}}}]
    file = write(tmp_path / "a.jsonl", rows)

    text, _ = ask(opened(recorded(file=file, model="m")), "q")

    assert text.confidence == 1.0


@pytest.mark.parametrize("key", ["logprob", "logprobs", "cost", "seconds", "prompt_tokens"])
@pytest.mark.parametrize("value", ["Infinity", "-Infinity", "NaN", "1e999", '"3"', "{}", "true"])
def test_numbers_that_are_none_are_refused_with_their_line(tmp_path, key, value):
    value = f"[-1, {value}]" if key == "logprobs" else value
    path = tmp_path / "a.jsonl"
    path.write_text(f'{{"query": "q", "recorded": {{"m": {{"text": "a", "{key}": {value}}}}}}}')

    with pytest.raises(ModelError, match=r"a\.jsonl:1: ") as caught:
        recorded(file=str(path), model="m").card()

    assert caught.value.code == "E504"


@pytest.mark.parametrize(
    "kept",
    [
        {"prompt_tokens": -5},
        {"completion_tokens": 0.5},
        {"seconds": -1},
        {"cost": 10**400},
        {"logprob": 0.5},
        {"logprobs": [-1.0], "tokens": ["a", "b"]},
        {"logprobs": -1.0},
        {"tokens": "a b"},
        {"answers": "a"},
        {"text": ["a"]},
        {"text": {"answer": "a"}},
        {"correct": "yes"},
        {"score": 1.5},
    ],
)
def test_facts_that_cannot_be_are_refused(tmp_path, kept):
    file = write(tmp_path / "a.jsonl", [{"query": "q", "recorded": {"m": kept}}])

    with pytest.raises(ModelError, match=r"a\.jsonl:1: .*`m`") as caught:
        recorded(file=file, model="m").card()

    assert caught.value.code == "E504"


def test_log_probabilities_of_tokens_are_kept(tmp_path):
    kept = {"text": "a b", "tokens": ["a", " b"], "logprobs": [-1.0, -3.0]}
    file = write(tmp_path / "a.jsonl", [{"query": "q", "recorded": {"m": kept}}])

    text, _ = ask(opened(recorded(file=file, model="m")), "q")

    assert (text.tokens, text.logprobs) == (("a", " b"), (-1.0, -3.0))
    assert text.confidence == pytest.approx(math.exp(-2))


def test_usage_comes_from_the_row(file):
    _, usage = ask(opened(recorded(file=file, model="m")), "One?")

    assert (usage.calls, usage.prompt_tokens, usage.completion_tokens) == (1, 10, 20)
    assert usage.cost == 0.25


def test_a_declared_price_replaces_the_recorded_cost(file):
    _, usage = ask(opened(recorded(file=file, model="m", price=(1, 2))), "One?")

    assert usage.cost == pytest.approx(50e-6)


def test_what_was_not_recorded_is_an_error_with_file_and_question(file):
    text = r"a\.jsonl` has no answer of `m` to the question 'Nine\?'"
    with pytest.raises(ModelError, match=text) as caught:
        ask(opened(recorded(file=file, model="m")), "Nine?", id="x9")

    assert caught.value.code == "E701"
    assert "ask a recorded question" in caught.value.help


def test_a_model_that_the_file_lacks_is_named_with_the_near_one(file):
    with pytest.raises(ModelError, match="no answers of `judgd`") as caught:
        recorded(file=file, model="judgd").card()

    assert caught.value.help == "did you mean `judged`?"


def test_a_missing_file_is_named():
    with pytest.raises(ModelError, match="there is no file") as caught:
        recorded(file="nowhere.jsonl", model="m").card()

    assert caught.value.code == "E501"


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("{", "not JSON"),
        ("[]", "not a JSON object"),
        ("{}", 'no "query"'),
        ('{"query": "q", "recorded": []}', '"recorded"'),
    ],
)
def test_a_bad_line_is_named_by_its_number(tmp_path, line, said):
    path = tmp_path / "a.jsonl"
    path.write_text(json.dumps(ROWS[0]) + f"\n\n{line}\n")

    with pytest.raises(ModelError, match=rf"a\.jsonl:3: .*{said}"):
        recorded(file=str(path), model="m").card()


def test_a_file_with_a_bad_line_is_closed(tmp_path, monkeypatch):
    path = tmp_path / "a.jsonl"
    path.write_text(json.dumps({"query": "q", "recorded": {"m": {"cost": -1}}}))
    lines = read(path)
    monkeypatch.setattr("composer.backends.recording.read", lambda _: lines)

    with pytest.raises(ModelError):
        recorded(file=str(path), model="m").card()

    assert lines.gi_frame is None


def test_gzip_is_known_by_its_content(tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_bytes(gzip.compress(json.dumps(ROWS[0]).encode()))

    assert ask(opened(recorded(file=str(path), model="m")), "One?")[0].text == "1"


def test_abilities_follow_what_was_recorded(file):
    with_, without = (recorded(file=file, model=name).card() for name in ("m", "judged"))

    assert with_.capabilities == Capability.TEXT | Capability.LOGPROBS
    assert without.why[Capability.LOGPROBS] == "its answers were recorded without log-probabilities"
    assert without.why[Capability.LOGITS] == "it is a recording, not a model"


FILES = sorted(DATA.glob("*.jsonl.gz"))


@pytest.mark.skipif(not FILES, reason="the recorded answers are not beside the checkout")
@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name.partition(".")[0])
def test_every_published_row_replays(path):
    from composer.backends.recording import recording

    rows = recording(str(path))
    model = rows.models[-1]
    member = opened(recorded(file=str(path), model=model))

    async def replay():
        for row in rows.rows:
            if model in row["recorded"]:
                text, _ = await drawn(member, Query.of(row["query"], id=row["id"]))
                assert text.facts["row"] == row["id"]

    asyncio.run(replay())


def test_a_file_without_recorded_answers_gets_an_example_of_a_row(tmp_path):
    path = tmp_path / "flat.jsonl"
    path.write_text('{"query": "2 + 2?", "small": "4"}\n')
    with pytest.raises(ModelError, match="no answers of `small`") as caught:
        recorded(file=str(path), model="small").card()
    assert '"recorded": {"small": {"text": "4"' in caught.value.help


def test_recorded_tokens_are_told_one_by_one(tmp_path):
    answer = {"text": "4 2", "tokens": ["4", " 2"], "logprobs": [-0.5, -0.25]}
    rows = [{"query": "q", "recorded": {"m": answer, "n": {"text": "4", "logprobs": [-1.0]}}}]
    path = tmp_path / "rows.jsonl"
    path.write_text("\n".join(map(json.dumps, rows)))
    told = {}
    for name in "mn":
        request = Generate(
            Declared("A", BACKENDS["fake"]()), Query.of("q"), seeds=(0,), detail=TokenDetail()
        )
        client = opened(recorded(file=str(path), model=name))
        told[name] = asyncio.run(client.generate(request)).draws[0].choices
    assert [tuple(each.chosen) for each in told["m"]] == [(b"4", -0.5, None), (b" 2", -0.25, None)]
    assert told["n"] == ()

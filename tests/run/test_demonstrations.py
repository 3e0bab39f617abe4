"""Demonstrations from a store of solved questions, and the store itself."""

import json
import multiprocessing
import os
import signal
import threading

import pytest

from composer.diagnostics import Mistakes
from composer.diagnostics.errors import CodedError
from composer.methods.solved import Solved, SolvedStore

SHOWN = "{{ query }} as {{ fields.solved | map(attribute='answer') | join(', ') }}"
RECIPE = (
    "cascade(A, say, accept = {accept}, "
    'carry = demonstrations("s.jsonl", template = "{shown}"{more}))'
)


@pytest.fixture
def store(tmp_path):
    return SolvedStore(tmp_path / "s.jsonl")


def recipe(accept="length > 3", more=""):
    return RECIPE.format(accept=accept, shown=SHOWN, more=more)


def rows(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_a_solved_question_is_shown_with_the_next_one_like_it(ready, tmp_path):
    ensemble = ready(recipe(accept="length > 3"))
    assert ensemble("Add two numbers").answer == "Add two numbers"
    assert ensemble("Add three numbers").answer == "Add three numbers as Add two numbers"
    assert [each["query"] for each in rows(tmp_path / "s.jsonl")] == [
        "Add two numbers", "Add three numbers",
    ]  # fmt: skip


def test_the_first_stage_reads_demonstrations_too(ready, store):
    store.add(Solved("Add two numbers", "code"))
    result = ready(recipe(accept="true"))("Add three numbers")
    calls = [call for event in result.trace.events for call in event.asked]
    assert [call.prompt[-1][1] for call in calls] == ["Add three numbers as code"]


def test_only_accepted_answers_are_kept_also_of_the_last_stage(ready, tmp_path):
    assert ready(recipe(accept="length > 50"))("Why so?").answer == "Why so?"
    assert not (tmp_path / "s.jsonl").exists()


def test_a_store_may_only_be_read(ready, store):
    store.add(Solved("Why so?", "yes"))
    ready(recipe(accept="true", more=", learn = false"))("Why not?")
    assert len(store.read()) == 1


def test_questions_are_answered_one_after_the_other(ready):
    queries = [f"Add number {at} slowly" for at in range(6)]
    answers = [each.answer for each in ready(recipe(accept="length > 3")).map(queries)]
    assert answers[0] == queries[0]
    assert all(" as " in answer for answer in answers[1:])


def test_a_plan_over_data_keeps_nothing(load, tmp_path):
    from composer.evaluate import read_rows
    from composer.evaluate.estimate import estimate

    data = tmp_path / "rows.jsonl"
    data.write_text('{"query": "Why?"}\n')
    estimate(load(recipe(accept="true")), read_rows(data))
    assert not (tmp_path / "s.jsonl").exists()


def test_what_a_run_keeps_does_not_change_its_fingerprint(load, store):
    before = load(recipe())
    store.add(Solved("Why so?", "yes"))
    assert load(recipe()).fingerprint == before.fingerprint


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ('cascade(A, B, carry = demonstrations("s.txt"))', "E402"),
        ('cascade(A, B, by = uniform(), carry = demonstrations("s.jsonl"))', "E403"),
        ("cascade(A, B, carry = demonstrations())", "E206"),
    ],
)
def test_a_bad_store_is_refused(load, text, code):
    with pytest.raises(Mistakes) as mistakes:
        load(text)
    assert [each.code for each in mistakes.value.diagnostics] == [code]


def test_a_line_that_is_no_solved_question_is_named(store):
    store.path.write_text('{"query": "a", "answer": "b"}\n{"text": "c"}\n')
    with pytest.raises(CodedError, match=r"s\.jsonl, line 2") as error:
        store.read()
    assert error.value.code == "E504"


def test_a_torn_line_is_replaced_by_the_next_one(store):
    store.add(Solved("a", "1"))
    with store.path.open("ab") as file:
        file.write(b'{"query": "b", "ans')
    other = SolvedStore(store.path)
    assert len(other.read()) == 1
    other.add(Solved("c", "3"))
    assert [each["query"] for each in rows(store.path)] == ["a", "c"]
    assert store.read() == [Solved("a", "1"), Solved("c", "3")]


def test_the_last_answer_to_a_question_counts_and_none_stands_twice(store):
    for answer in ("1", "1", "2"):
        store.add(Solved("add two", answer))
    assert len(store.read()) == 2
    assert store.nearest("add three", 5, "tfidf")[0][0].answer == "2"
    assert len(store.nearest("add three", 5, "tfidf")) == 1


@pytest.mark.parametrize("by", ["tfidf", "bm25"])
def test_the_nearest_come_first_and_strangers_not_at_all(store, by):
    for query in ("red green blue", "red green", "one two"):
        store.add(Solved(query, query))
    assert [each.query for each, _ in store.nearest("red green", 3, by)] == [
        "red green", "red green blue",
    ]  # fmt: skip


def test_a_question_without_words_is_no_demonstration(store):
    store.add(Solved("?!", "what"))
    assert store.nearest("?!", 3, "tfidf") == []


def add_many(path, name, count):
    for at in range(count):
        SolvedStore(path).add(Solved(f"{name} {at}", "x" * 200))


def test_two_processes_add_to_one_store(store):
    context = multiprocessing.get_context("fork")
    workers = [context.Process(target=add_many, args=(store.path, n, 20)) for n in "ab"]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert len({each.query for each in store.read()}) == 40


def test_a_kill_loses_no_line_that_was_added(store):
    context = multiprocessing.get_context("fork")
    worker = context.Process(target=add_many, args=(store.path, "a", 10_000))
    worker.start()
    enough = threading.Event()
    while len(store.read()) < 5:
        enough.wait(0.01)
    os.kill(worker.pid, signal.SIGKILL)
    worker.join()
    before = len(store.read())
    store.add(Solved("after", "the kill"))
    assert len(SolvedStore(store.path).read()) == before + 1


def test_a_shipped_recipe_writes_to_the_working_folder(tmp_path, monkeypatch):
    from composer.compiler.graph.files import shipped, written_file

    monkeypatch.chdir(tmp_path)
    assert written_file(shipped() / "cascade", "s.jsonl") == tmp_path / "s.jsonl"

"""Local members of a span fuse beside a member behind a server: their rows stay in the engine."""

import json
import time
import urllib.request

import pytest
from small_server import serving

import composer
from composer import zoo
from composer.engine.rows.runner import Runner
from composer.run import Failure

QUESTIONS = "What is 2 + 2?", "What is the sum of 75 and 83?", "8 * 4 = ?", "XLI as a number?"

LOCAL = 'model B = zoo("maths")\nmodel C = zoo("other")\n'


@pytest.fixture(scope="module")
def url():
    with serving(zoo.folder("general-1")) as address:
        yield address


@pytest.fixture
def passes(monkeypatch):
    """The runners, and what each pass of theirs reads: tokens and logits a row."""
    seen, plain = {}, Runner.forward

    def forward(runner, feeds, *, hidden=False):
        lengths = [(len(feed.ids), len(feed.keep)) for feed in feeds]
        seen.setdefault(runner, []).append(lengths)
        return plain(runner, feeds, hidden=hidden)

    monkeypatch.setattr(Runner, "forward", forward)
    return seen


def served(url, fuse="span_fuse(A, B, C)"):
    options = f'url = "{url}", tokenizer = "{zoo.folder("general-1")}", api = completions'
    options += ", probe = false, abilities = [echo: true, prompt_ids: true, prompts: 8, top: 5]"
    text = f'model A = endpoint("general-1", {options}, retries = 0)\n'
    return composer.load(text + LOCAL + f"let fused = {fuse}\nfused(max_tokens = 6)")


def stats(url, method):
    page = urllib.request.Request(url.removesuffix("/v1") + "/stats", method=method)
    with urllib.request.urlopen(page) as reply:
        return json.load(reply)


def test_a_local_member_reads_the_text_once(url, passes):
    assert served(url)(QUESTIONS[0]).answer
    assert len(passes) == 2
    for prompt, *read in passes.values():
        assert prompt[0][0] > 6
        feeds = [feed for rows in read for feed in rows]
        assert sum(tokens for tokens, _ in feeds) == sum(logits for _, logits in feeds) > 0


def test_the_answer_is_that_of_members_in_one_place(url):
    recipe = f'model A = zoo("general-1")\n{LOCAL}let fused = span_fuse(A, B, C)\n'
    alone = composer.load(f"{recipe}fused(max_tokens = 2)")
    for question in QUESTIONS:
        assert served(url)(question).answer.startswith(alone(question).answer)


def test_questions_share_engine_steps(url, passes):
    with served(url).ready() as ensemble:
        ensemble(QUESTIONS[0])
        alone = sum(map(len, passes.values()))
        passes.clear()
        list(ensemble.map(QUESTIONS))
    assert sum(map(len, passes.values())) < 3 * alone


def test_rows_are_given_back_when_the_server_fails(passes):
    with served("http://127.0.0.1:9/v1").ready() as ensemble:
        with pytest.raises(Failure):
            ensemble(QUESTIONS[0])
        end = time.monotonic() + 10
        while any(not runner.idle for runner in passes) and time.monotonic() < end:
            time.sleep(0.01)
        assert all(runner.idle for runner in passes)


def test_what_a_local_member_took_is_counted_by_its_own_name(url):
    result = served(url, "span_fuse(B, C, A)")(QUESTIONS[0])
    assert set(result.members) == {"A", "B", "C"}
    assert result.members["B"].completion_tokens > 0


def test_a_server_is_asked_once_for_all_candidates_and_not_for_what_it_has_told(url):
    for question in QUESTIONS[1:3]:
        stats(url, "DELETE")
        result = served(url)(question)
        (spans,) = [each.spans for event in result.trace.events for each in event.asked]
        unlike = [len(set(span.candidates.values())) > 1 for span in spans]
        lost = [span.candidates["A"] != span.text for span in spans[:-1]]
        asked = stats(url, "GET")
        assert sum(asked["requests"].values()) == 1 + sum(lost) + sum(unlike)
        others = [set(span.candidates.values()) - {span.candidates["A"]} for span in spans]
        assert asked["prompts"] == 1 + sum(lost) + sum(map(len, others))

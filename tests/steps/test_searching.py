"""Searching over partial answers, by hand over known draws and with the zoo's models."""

import random

import pytest

from composer.backends.fake import Fake
from composer.diagnostics import Mistakes
from composer.methods import Beam, Greedy, Tree, Words
from composer.methods.rewards.models import RewardedSteps
from composer.recipe import Recipe
from composer.specs import Declared
from composer.steps.searching import process_fuse
from composer.values import Completion, Generated, ModelError, Query, Sampling, Usage

ZOO = """
model A = zoo("general-1")
model B = zoo("maths")
model R = fake(says = "answer 17")
"""
SEARCH = "process_fuse(A, reward = rewarded(R), "
STEPS = "Start with 6, times 2, add 5."


class Told:
    """Gives the draws that are known of a partial answer, and the rewards of texts."""

    def __init__(self, draws, rewards):
        self.draws, self.rewards = draws, rewards
        self.asked, self.notes, self.rng = [], {}, random.Random(0)

    async def ask(self, request):
        self.asked.append(request)
        texts = self.draws[request.model.name].get(request.prefix, [""])
        if isinstance(texts, Exception):
            raise texts
        made = [
            each if isinstance(each, Completion) else Completion(each, confidence=len(each) / 10)
            for each in texts
        ]
        return Generated(tuple(made[: request.draws]))

    async def many(self, requests):
        return [await self.ask(request) for request in requests]

    async def reward(self, model, query, texts):
        assert (model.name, query.text) == ("R", "Why?")
        return tuple(self.rewards[text] for text in texts)

    def note(self, **facts):
        self.notes.update(facts)


def search(run, draws, rewards, search=None, **how):
    ask = Told(draws, rewards)
    writers = [Declared(name, Fake()) for name in draws]
    judge = RewardedSteps(by=Declared("R", Fake()))
    steps = process_fuse(
        Query.of("Why?"), *writers, reward=judge, search=search or Beam(), ask=ask, **how
    )
    return run(steps), ask


FORK = {"": ["a\n", "b\n"], "a\n": ["end"], "b\n": ["end"]}


def test_the_step_with_the_greater_reward_is_gone_on_with(run):
    rewards = {"a\n": 0.2, "b\n": 0.7, "b\nend": 0.5}
    text, ask = search(run, {"A": FORK}, rewards, Beam(width=1))
    assert text.text == "b\nend"
    assert [request.prefix for request in ask.asked] == ["", "b\n"]


def test_a_wider_beam_finds_what_looks_worse_at_first(run):
    rewards = {"a\n": 0.2, "b\n": 0.7, "a\nend": 0.9, "b\nend": 0.5}
    assert search(run, {"A": FORK}, rewards)[0].text == "a\nend"


def test_of_equal_rewards_the_first_is_kept(run):
    rewards = dict.fromkeys(["a\n", "b\n", "a\nend"], 0.5)
    assert search(run, {"A": FORK}, rewards, Beam(width=1))[0].text == "a\nend"


def test_a_whole_answer_stays_while_nothing_is_better(run):
    draws = {"": ["whole", "part\n"], "part\n": ["worse"]}
    rewards = {"whole": 0.8, "part\n": 0.6, "part\nworse": 0.1}
    text, ask = search(run, {"A": draws}, rewards)
    assert text.text == "whole"
    assert len(ask.asked) == 2


def test_every_writer_goes_on_from_every_partial_answer(run):
    draws = {"A": {"": ["a\n"]}, "B": {"": ["b\n"], "a\n": ["end"]}}
    rewards = {"a\n": 0.5, "b\n": 0.4, "a\nend": 0.9}
    text, ask = search(run, draws, rewards)
    assert (text.text, text.source) == ("a\nend", "B")
    assert {(r.model.name, r.prefix) for r in ask.asked} == {
        (name, prefix) for name in "AB" for prefix in ("", "a\n", "b\n")
    }


def test_equal_steps_are_rewarded_once_and_are_the_first_writers(run):
    draws = {"A": {"": ["same"]}, "B": {"": ["same"]}}
    text, ask = search(run, draws, {"same": 1.0})
    assert text.source == "A"
    assert ask.notes["tree"] == [
        {
            "parent": None,
            "text": "same",
            "by": "A",
            "reward": 1.0,
            "over": True,
            "chosen": True,
        }
    ]


def test_the_search_ends_at_its_depth(run):
    endless = {"": ["a\n"], "a\n": ["a\n"], "a\na\n": ["a\n"]}
    rewards = {"a\n": 0, "a\na\n": 0}
    text, ask = search(run, {"A": endless}, rewards, depth=2)
    assert (text.text, len(ask.asked)) == ("a\na\n", 2)


def test_the_confidence_is_that_of_the_last_step(run):
    draws = {"": ["long step\n"], "long step\n": ["end"]}
    text, _ = search(run, {"A": draws}, {"long step\n": 0, "long step\nend": 0})
    assert text.confidence == 0.3
    assert text.logprobs == ()


def test_what_is_drawn_ends_with_the_boundary_that_it_keeps(run):
    _, ask = search(run, {"A": {"": ["a. "], "a. ": ["b"]}}, {"a. ": 0, "a. b": 0}, boundary=". ")
    how = Sampling(0.7, stop=(". ",), keep_stop=True)
    assert [(r.sampling, r.draws) for r in ask.asked] == [(how, 4)] * 2


def test_greedy_work_is_drawn_once(run):
    _, ask = search(run, {"A": {"": ["end"]}}, {"end": 0}, temperature=0.0)
    assert [request.draws for request in ask.asked] == [1]


def test_a_writer_that_fails_is_asked_no_more(run):
    draws = {
        "A": {"": ["a\n"], "a\n": ModelError("E701", "it fell over"), "b\n": ["never"]},
        "B": {"": ["b\n"], "a\n": ["end"], "b\n": ["end\n"], "a\nend": [""]},
    }
    rewards = {"a\n": 0.5, "b\n": 0.4, "a\nend": 0.2, "b\nend\n": 0.9, "b\nnever": 0.0}
    text, ask = search(run, draws, rewards, depth=2)
    assert (text.text, text.source) == ("a\nend", "B")
    assert ask.notes["failed"] == {"A": "[E701] it fell over"}


def test_one_that_writes_alone_and_fails_ends_the_search(run):
    with pytest.raises(ModelError, match="it fell over"):
        search(run, {"A": {"": ModelError("E701", "it fell over")}}, {})


def test_if_all_writers_fail_each_is_named(run):
    fall = {"": ModelError("E701", "it fell over")}
    with pytest.raises(ModelError, match="all 2 branches failed: `A`, `B`") as failed:
        search(run, {"A": fall, "B": fall}, {})
    assert failed.value.code == "E716"


NAN = float("nan")


def test_a_step_whose_reward_is_no_number_is_given_up(run):
    rewards = {"a\n": NAN, "b\n": 0.1, "b\nend": 0.2}
    text, ask = search(run, {"A": FORK}, rewards)
    assert text.text == "b\nend"
    assert [each["reward"] for each in ask.notes["tree"]] == [None, 0.1, 0.2]


@pytest.mark.parametrize("how", [Greedy(draws=2), Beam(), Tree(draws=2)])
def test_without_any_reward_there_is_no_answer(run, how):
    with pytest.raises(ModelError, match="none of the rewards is a number") as failed:
        search(run, {"A": FORK}, {"a\n": NAN, "b\n": NAN}, how)
    assert failed.value.code == "E704"


def test_a_reward_that_fails_ends_the_search(run):
    with pytest.raises(KeyError):
        search(run, {"A": FORK}, {})


def long(text):
    return Completion(text, ("t",) * len(text.split()), finish="length")


def test_a_step_that_never_closes_ends_at_its_limit_and_is_no_complete_answer(run):
    draws = {"": [long("on and")], "on and": [long(" on and")]}
    rewards = {"on and": 0.5, "on and on and": 0.5}
    text, ask = search(run, {"A": draws}, rewards, depth=2)
    assert text.text == "on and on and"
    assert text.facts["finish"] == "length"
    assert not any(each["over"] for each in ask.notes["tree"])


def test_a_step_that_no_stop_string_ends_is_asked_for_in_pieces_and_cut(run):
    """The first piece has three words; the fourth shows where three words end."""
    draws = {"": [long("one two")], "one two": [long(" three fo")], "one two three": ["."]}
    rewards = {"one two three": 0.5, "one two three.": 0.9}
    text, ask = search(run, {"A": draws}, rewards, boundary=Words(n=3))
    assert text.text == "one two three."
    assert [each["text"] for each in ask.notes["tree"]] == ["one two three", "."]
    assert [(r.prefix, r.sampling.max_tokens) for r in ask.asked] == [
        ("", 64),
        ("one two", 64),
        ("one two three", 64),
    ]


def test_pieces_of_a_step_keep_to_its_limit(run):
    draws = {"": [long("one two")], "one two": [long(" three")], "one two three": [""]}
    rewards = dict.fromkeys(["one two three"], 0.5)
    _, ask = search(run, {"A": draws}, rewards, boundary=Words(n=9), max_tokens=3, depth=1)
    assert [request.sampling.max_tokens for request in ask.asked] == [3, 1]


def used(text, tokens):
    return Completion(text, usage={"A": Usage(completion_tokens=tokens)})


@pytest.mark.parametrize("how", [Greedy(), Beam(), Tree()])
def test_the_search_ends_when_its_tokens_are_written(run, how):
    draws = {"": [used("a\n", 3)], "a\n": [used("b\n", 3)], "a\nb\n": [used("end", 3)]}
    rewards = {"a\n": 0.5, "a\nb\n": 0.5}
    text, ask = search(run, {"A": draws}, rewards, how, max_total_tokens=5)
    assert (text.text, text.facts["finish"]) == ("a\nb\n", "length")
    assert ask.notes["stopped"] == "max_total_tokens"


def test_simulated_ends_are_rewarded_as_whole_answers(run):
    draws = {"": ["a\n", "b\n"], "a\n": ["bad"], "b\n": ["good"]}
    rewards = {"a\nbad": 0.1, "b\ngood": 0.9}
    how = Tree(rollouts=1, draws=2, simulate=True)
    text, ask = search(run, {"A": draws}, rewards, how)
    assert (text.text, text.facts) == ("b\ngood", {})
    assert [r.sampling.temperature for r in ask.asked] == [0.7, 0.0, 0.0]
    assert [each["value"] for each in ask.notes["tree"]] == [0.1, 0.9]


@pytest.fixture
def load(tmp_path):
    def read(text):
        path = tmp_path / "r.ens"
        path.write_text(ZOO + text + "\n", encoding="utf-8")
        return Recipe.load(path, root=tmp_path)

    return read


BOUNDARIES = ['"\\n"', '"="', '" "', 'pattern("[=;]")', "sentence()", "words(2)"]


@pytest.mark.parametrize("boundary", BOUNDARIES)
def test_a_greedy_search_of_one_writer_is_a_plain_generation(load, boundary):
    one = "search = greedy(), temperature = 0"
    searched = load(f"process_fuse(A, reward = rewarded(R), boundary = {boundary}, {one})")
    with searched.ready() as search, load("A").ready() as plain:
        for question in (STEPS, "What is 17 plus 25?", "Reverse the word star."):
            assert search(question).answer == plain(question).answer


def test_the_reward_is_an_input_that_is_planned_billed_and_traced(load):
    recipe = load("process_fuse(A, B, reward = rewarded(R), search = beam(draws = 1))")
    plan = recipe.plan()
    assert plan.steps[-1].inputs == ("r0", "A", "B", "R")
    assert "reward" in {option.name for option in plan.steps[-1].options}
    with recipe.ready() as ensemble:
        result = ensemble(STEPS)
    assert result.answer.endswith("answer 17")
    assert result.members["R"].calls == 3
    (step,) = [each for each in result.trace.as_dict()["steps"] if each["op"] == "process_fuse"]
    assert [each["what"] for each in step["asked"][:3]] == ["asked", "asked", "rewarded by"]
    (chosen,) = [each for each in step["notes"]["tree"] if each["chosen"] and each["over"]]
    assert chosen["reward"] == 1.0


def test_a_fuse_writes_steps_too(load):
    with load(
        "process_fuse(token_fuse(A, B), reward = rewarded(R), temperature = 0)"
    ).ready() as ensemble:
        assert ensemble(STEPS).answer.endswith("answer 17")


def test_equal_seeds_draw_equal_answers(load):
    recipe = load("process_fuse(A, reward = rewarded(R), temperature = 1.5)")
    answers = []
    for _ in range(2):
        with recipe.ready() as ensemble:
            answers.append(ensemble(STEPS).answer)
    assert answers[0] == answers[1]


@pytest.mark.parametrize(
    ("text", "code", "said"),
    [
        ("process_fuse(A, reward = R)", "E209", "`R` is not a step reward"),
        ("process_fuse(A, reward = rewarded(R), width = 3)", "E203", "has no option `width`"),
        (
            "process_fuse(A, reward = rewarded(R), search = tree(rollouts = 0))",
            "E402",
            "must be at least 1",
        ),
        (
            "process_fuse(A, reward = rewarded(R), max_total_tokens = 0)",
            "E402",
            "must be at least 1",
        ),
        (
            "process_fuse(A, reward = rewarded(R), boundary = tokens(5))",
            "E402",
            "`tokens` reads the tokens of a writer",
        ),
        ("process_fuse(R, reward = rewarded(R))", "E302", "continuing a partial answer"),
        ("process_fuse(A, reward = rewarded(B))", "E302", "a reward for an answer"),
        ("process_fuse(A)", "E206", "`process_fuse` needs `reward`"),
        ("process_fuse(reward = rewarded(R))", "E206", "`process_fuse` needs `writers`"),
        ("process_fuse(A, reward = rewarded(vote()))", "E301", "a model is needed here"),
    ],
)
def test_what_cannot_search_is_refused_with_the_reason(load, text, code, said):
    with pytest.raises(Mistakes) as caught:
        load(text)
    (mistake,) = caught.value.diagnostics
    assert mistake.code == code
    assert said in mistake.message

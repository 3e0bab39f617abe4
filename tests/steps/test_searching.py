"""Searching over partial answers, by hand over known draws and with the zoo's models."""

import pytest

from composer.backends.fake import Fake
from composer.diagnostics import Mistakes
from composer.methods.rewards.models import RewardedSteps
from composer.recipe import Recipe
from composer.specs import Declared
from composer.steps.searching import process_fuse
from composer.values import Completion, Generated, Query, Sampling

ZOO = """
model A = zoo("general-1")
model B = zoo("maths")
model R = fake(says = "answer 17")
"""
STEPS = "Start with 6, times 2, add 5."


class Told:
    """Gives the draws that are known of a partial answer, and the rewards of texts."""

    def __init__(self, draws, rewards):
        self.draws, self.rewards = draws, rewards
        self.asked, self.notes = [], {}

    async def many(self, requests):
        self.asked += requests
        return [self._made(request) for request in requests]

    def _made(self, request):
        texts = self.draws[request.model.name].get(request.prefix, [""])
        made = [Completion(text, confidence=len(text) / 10) for text in texts]
        return Generated(tuple(made[: request.draws]))

    async def reward(self, model, query, texts):
        assert (model.name, query.text) == ("R", "Why?")
        return tuple(self.rewards[text] for text in texts)

    def note(self, **facts):
        self.notes.update(facts)


def search(run, draws, rewards, **how):
    ask = Told(draws, rewards)
    writers = [Declared(name, Fake()) for name in draws]
    judge = RewardedSteps(by=Declared("R", Fake()))
    return run(process_fuse(Query.of("Why?"), *writers, reward=judge, ask=ask, **how)), ask


FORK = {"": ["a\n", "b\n"], "a\n": ["end"], "b\n": ["end"]}


def test_the_step_with_the_greater_reward_is_gone_on_with(run):
    rewards = {"a\n": 0.2, "b\n": 0.7, "b\nend": 0.5}
    text, ask = search(run, {"A": FORK}, rewards, width=1)
    assert text.text == "b\nend"
    assert [request.prefix for request in ask.asked] == ["", "b\n"]


def test_a_wider_beam_finds_what_looks_worse_at_first(run):
    rewards = {"a\n": 0.2, "b\n": 0.7, "a\nend": 0.9, "b\nend": 0.5}
    assert search(run, {"A": FORK}, rewards, width=2)[0].text == "a\nend"


def test_of_equal_rewards_the_first_is_kept(run):
    rewards = dict.fromkeys(["a\n", "b\n", "a\nend"], 0.5)
    assert search(run, {"A": FORK}, rewards, width=1)[0].text == "a\nend"


def test_a_whole_answer_stays_while_nothing_is_better(run):
    draws = {"": ["whole", "part\n"], "part\n": ["worse"]}
    rewards = {"whole": 0.8, "part\n": 0.6, "part\nworse": 0.1}
    text, ask = search(run, {"A": draws}, rewards, width=2)
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
    assert ask.notes["levels"] == [[{"text": "same", "by": "A", "reward": 1.0}]]


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


@pytest.fixture
def load(tmp_path):
    def read(text):
        path = tmp_path / "r.ens"
        path.write_text(ZOO + text + "\n", encoding="utf-8")
        return Recipe.load(path, root=tmp_path)

    return read


@pytest.mark.parametrize("boundary", ['"\\n"', '"="', '" "'])
def test_a_greedy_search_of_one_writer_is_a_plain_generation(load, boundary):
    one = "width = 1, draws = 1, temperature = 0"
    searched = load(f"process_fuse(A, reward = rewarded(R), boundary = {boundary}, {one})")
    with searched.ready() as search, load("A").ready() as plain:
        for question in (STEPS, "What is 17 plus 25?", "Reverse the word star."):
            assert search(question).answer == plain(question).answer


def test_the_reward_is_an_input_that_is_planned_billed_and_traced(load):
    recipe = load("process_fuse(A, B, reward = rewarded(R), draws = 1)")
    plan = recipe.plan()
    assert plan.steps[-1].inputs == ("r0", "A", "B", "R")
    assert "reward" in {option.name for option in plan.steps[-1].options}
    with recipe.ready() as ensemble:
        result = ensemble(STEPS)
    assert result.answer.endswith("answer 17")
    assert result.members["R"].calls == 3
    (step,) = [each for each in result.trace.as_dict()["steps"] if each["op"] == "process_fuse"]
    assert [each["what"] for each in step["asked"][:3]] == ["asked", "asked", "rewarded by"]
    assert step["notes"]["levels"][-1][0]["reward"] == 1.0


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

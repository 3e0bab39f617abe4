"""Searches over steps, on games that are made by hand: no model is asked."""

import asyncio
import itertools
import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from composer.methods import Beam, Greedy, Node, PartialAnswer, SearchTree, Tree
from composer.methods.searches.trees import uct


class Game(SearchTree):
    """Every text has the moves `a`, `b`, ..., up to a depth at which it is complete.

    `rewards` has the reward of each text; one that it does not name has 0. `budget` is how many
    nodes may grow.
    """

    def __init__(self, depth, rewards=None, moves="ab", budget=math.inf):
        super().__init__(depth + 1)
        self.end, self.rewards, self.moves, self.budget = depth, rewards or {}, moves, budget
        self.grown = []

    async def grow(self, nodes, draws, *, simulate=False):
        if self.budget <= 0:
            return False
        self.budget -= len(nodes)
        for node in nodes:
            assert self.is_open(node)
            self.grown.append(node.partial.text)
            for move in self.moves[:draws]:
                self._play(node, move, simulate=simulate)
        return True

    def _play(self, node, move, *, simulate):
        steps = (*node.partial.steps, move)
        partial = PartialAnswer(steps, over=len(steps) == self.end)
        ending = (*steps, *("a" * (self.end - len(steps))))
        whole = PartialAnswer(ending, over=True) if partial.over or simulate else None
        text = (whole or partial).text
        self.add(node, partial, self.rewards.get(text, 0.0), whole)


def played(search, *args, **kwargs):
    game = Game(*args, **kwargs)
    return game, asyncio.run(search.run(game))


def texts(depth, moves="ab"):
    for length in range(1, depth + 1):
        yield from map("".join, itertools.product(moves, repeat=length))


@st.composite
def games(draw):
    depth = draw(st.integers(1, 4))
    values = st.floats(-3, 3) | st.just(math.nan)
    return depth, {text: draw(values) for text in texts(depth)}


trees = st.builds(
    Tree,
    rollouts=st.integers(1, 20),
    explore=st.floats(0, 3),
    draws=st.integers(1, 2),
    backup=st.sampled_from(["max", "mean"]),
    batch=st.integers(1, 4),
    simulate=st.booleans(),
)


def below(node):
    return [node, *(each for child in node.children for each in below(child))]


def test_a_tree_by_hand():
    """Worked by hand: the root grows, then `b` (0.6 > 0.4), then `a`, whose bound is higher."""
    rewards = {"a": 0.4, "b": 0.6, "ba": 0.1, "bb": 0.2}
    game, _ = played(Tree(rollouts=3, draws=2, explore=1.4), 3, rewards)
    assert game.grown[:3] == ["", "b", "a"]
    (a, b) = game.root.children
    assert (b.visits, b.value) == (3, 0.2)
    assert (a.visits, game.root.visits) == (3, 7)


def test_the_bound_of_a_child_by_hand():
    parent, child = Node(visits=8), Node(visits=2, value=0.5)
    assert uct(parent, child, 1.4) == pytest.approx(0.5 + 1.4 * math.sqrt(math.log(8) / 2))
    assert uct(parent, child, 1.0, (-1, 3)) == pytest.approx(0.375 + math.sqrt(math.log(8) / 2))


@given(st.floats(-5, 5), st.integers(1, 100))
def test_what_was_never_visited_comes_first(value, visits):
    parent = Node(visits=visits + 1)
    assert uct(parent, Node(), 1.0) > uct(parent, Node(visits=visits, value=value), 1.0)


@given(games(), trees)
def test_visits_add_up(game, tree):
    grown, _ = played(tree, *game)
    for node in below(grown.root):
        if node.children and node.visits:
            assert node.visits == 1 + sum(child.visits for child in node.children)


@given(games(), trees)
def test_no_node_grows_twice_and_rollouts_are_a_limit(game, tree):
    grown, _ = played(tree, *game)
    assert len(set(grown.grown)) == len(grown.grown)
    assert len(grown.grown) <= tree.rollouts + game[0]


@given(games(), trees)
def test_the_best_child_is_worth_no_less_than_the_mean(game, tree):
    """On one and the same tree: its values are backed up in both ways."""
    grown, _ = played(tree, *game)
    largest, mean = ({}, {})
    for node in reversed(below(grown.root)):
        for values, backup in ((largest, "max"), (mean, "mean")):
            if not any(child.visits for child in node.children):
                values[node] = node.reward
                continue
            for child in node.children:
                child.value = values[child]
            values[node] = Tree(backup=backup)._value(node)
    for node, value in mean.items():
        if node.visits and not math.isnan(value):
            assert largest[node] >= value - 1e-9


@given(games(), st.integers(1, 4))
def test_enough_rollouts_find_the_best_answer(game, batch):
    depth, rewards = game
    complete = {text: reward for text, reward in rewards.items() if len(text) == depth}
    reachable = {
        text: reward
        for text, reward in complete.items()
        if not any(math.isnan(rewards[text[:n]]) for n in range(1, depth + 1))
    }
    grown, _ = played(Tree(rollouts=1000, draws=2, batch=batch), depth, rewards)
    best = grown.best()
    if best is None:
        assert not reachable
    else:
        assert best.reward == max(reachable.values())


@given(games())
def test_a_beam_of_one_with_one_draw_is_greedy(game):
    beam, _ = played(Beam(width=1, draws=1), *game)
    greedy, _ = played(Greedy(), *game)
    assert beam.grown == greedy.grown


@given(games(), st.integers(1, 3))
def test_a_wide_beam_sees_everything(game, draws):
    depth, rewards = game
    if any(math.isnan(reward) for reward in rewards.values()):
        return
    grown, _ = played(Beam(width=2**depth, draws=draws), depth, rewards)
    moves = "ab"[:draws]
    ends = [rewards[text] for text in texts(depth, moves) if len(text) == depth]
    assert grown.best().reward == max(ends)


@given(games(), st.one_of(trees, st.builds(Beam), st.builds(Greedy)), st.integers(0, 5))
@settings(max_examples=50)
def test_a_spent_budget_ends_every_search(game, search, budget):
    grown, stands = played(search, *game, budget=budget)
    assert stands in (grown.root, *grown.made)
    assert len(grown.grown) <= max(budget, 0) + max(getattr(search, "batch", 2), 2)


def test_a_step_without_a_reward_is_given_up():
    game, stands = played(Greedy(draws=2), 2, {"a": math.nan, "b": 0.1})
    assert game.grown == ["", "b"]
    assert stands.partial.text.startswith("b")


def test_rewards_that_are_never_numbers_leave_the_search_where_it_began():
    nothing = dict.fromkeys(texts(2), math.inf)
    for search in (Greedy(draws=2), Beam(draws=2), Tree(draws=2)):
        game, stands = played(search, 2, nothing)
        assert stands is game.root
        assert game.best() is None


def test_simulated_ends_are_answers():
    """`b` looks bad, but its end `baa` is the best of all."""
    rewards = {"aaa": 0.3, "baa": 0.9, "a": 1.0, "b": 0.0}
    game, stands = played(Tree(rollouts=1, draws=2, simulate=True), 3, rewards)
    assert (stands.whole.text, game.grown) == ("baa", [""])


def test_a_tree_without_a_complete_answer_goes_on_greedily():
    rewards = {"b": 0.9, "ba": 0.5, "baa": 0.5}
    game, stands = played(Tree(rollouts=1, draws=2), 3, rewards)
    assert game.grown == ["", "b", "ba"]
    assert stands.partial.text == "baa"


def test_leaves_of_one_batch_are_different():
    game, _ = played(Tree(rollouts=3, draws=2, batch=2), 3)
    assert game.grown[:3] == ["", "a", "b"]


def test_rewards_beyond_one_are_scaled():
    """A difference of 100 nats is not lost behind the bound of exploration, nor is it all."""
    rewards = {"a": -100.0, "b": -1.0, "ba": -2.0, "bb": -3.0}
    game, _ = played(Tree(rollouts=2, draws=2, explore=0.1), 3, rewards)
    assert game.grown[:2] == ["", "b"]

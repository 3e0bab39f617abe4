"""Learning from rewards, in a file that survives a kill."""

import os
import signal
import subprocess
import sys
import time

import pytest

from composer.diagnostics import Mistakes
from composer.fit.online import Journal, open_journal
from composer.methods.estimators.bandits import StatelessQ
from composer.recipe import Recipe

LOOP = """
import sys
from pathlib import Path
from composer.fit.online import Journal
from composer.methods.estimators.bandits import StatelessQ
journal = Journal(Path(sys.argv[1]), StatelessQ(), ("A", "B"))
print(journal.updates, flush=True)
while True:
    journal.reward(("hello", ()), "B", 1.0)
"""


def quality(journal):
    return journal.part.predict(journal.state, [("hello", ())]).mean[0].tolist()


def test_rewards_are_kept(tmp_path):
    journal = Journal(tmp_path / "q", StatelessQ(), ("A", "B"))
    for _ in range(5):
        journal.reward(("hello", ()), "B", 1.0)
    again = Journal(tmp_path / "q", StatelessQ(), ("A", "B"))
    assert again.updates == 5
    assert quality(again) == quality(journal)
    assert quality(again)[1] > quality(again)[0]


def test_the_state_of_another_estimator_is_refused(tmp_path):
    Journal(tmp_path / "q", StatelessQ(), ("A", "B")).reward(("hello", ()), "B", 1.0)
    with pytest.raises(Mistakes, match="to other choices"):
        Journal(tmp_path / "q", StatelessQ(), ("A", "C"))


def test_a_damaged_state_is_refused(tmp_path):
    (tmp_path / "q").write_bytes(b"torn")
    with pytest.raises(Mistakes, match="is not the state of an online estimator"):
        Journal(tmp_path / "q", StatelessQ(), ("A", "B"))


@pytest.mark.parametrize(("choice", "reward"), [("C", 1.0), ("A", 1.5), ("A", float("nan"))])
def test_a_reward_that_is_none_is_refused(tmp_path, choice, reward):
    journal = Journal(tmp_path / "q", StatelessQ(), ("A", "B"))
    with pytest.raises(Mistakes, match=r"unknown choice|between 0 and 1"):
        journal.reward(("hello", ()), choice, reward)


def test_a_recipe_goes_by_its_journal(desk, rows):
    recipe = Recipe.load(desk.recipe(by=f"{StatelessQ.name}()", policy="one()"))
    journal = open_journal(recipe)
    query = rows[2]["query"]
    with journal.bound(recipe).ready() as ensemble:
        first = ensemble(query).decision
        other = next(name for name, weight in first.items() if not weight)
        for _ in range(20):
            journal.reward((query, ()), other, 1.0)
        assert ensemble(query).decision[other] == 1
    assert (desk.folder / "r.ens.online.safetensors").exists()


@pytest.mark.slow
def test_a_kill_loses_at_most_the_update_under_way(tmp_path):
    path, before = tmp_path / "q", 0
    for _ in range(5):
        process = subprocess.Popen([sys.executable, "-c", LOOP, str(path)], stdout=subprocess.PIPE)
        assert int(process.stdout.readline()) >= before
        time.sleep(0.3)
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        journal = Journal(path, StatelessQ(), ("A", "B"))
        assert journal.updates > before
        assert quality(journal)[1] > quality(journal)[0]
        before = journal.updates

"""Each request ends once, in whatever order replicas die; one that kills them is found."""

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from composer.cluster.ledger import RequestLedger


def filled(count, *replicas):
    ledger = RequestLedger()
    for number in range(count):
        ledger.add(number, f"item {number}", 0.0)
    for replica in replicas:
        while ledger.give(replica):
            pass
    return ledger


def test_a_request_that_was_alone_at_the_second_death_is_the_cause():
    ledger = filled(2, "a")
    assert ledger.lost("a", 1.0) == ([0, 1], None)
    assert ledger.give("b") == (0, "item 0")
    assert ledger.lost("b", 2.0) == ([], 0)
    ledger.done(0)
    assert ledger.numbers() == [1]


def test_several_at_two_deaths_are_kept_apart_until_two_more_tell():
    ledger = filled(2, "a")
    for replica in "ab":
        assert ledger.lost(replica, 0.0) == ([0, 1], None)
        while ledger.give("b" if replica == "a" else "c"):
            pass
    assert ledger.held("c") == 1
    ledger.add(2, "new", 0.0)
    assert ledger.give("c") == (2, "new")
    assert ledger.give("c") is None
    assert ledger.give("d") == (1, "item 1")
    assert ledger.lost("c", 0.0) == ([0, 2], None)
    assert [ledger.give("e")[0] for _ in range(2)] == [0, 2]
    assert ledger.lost("e", 0.0) == ([2], 0)


def test_the_loss_of_a_machine_blames_nobody():
    ledger = filled(1, "a")
    for replica in "abcd":
        ledger.give(replica)
        assert ledger.lost(replica, 0.0, blameless=True) == ([0], None)


def test_what_is_put_again_goes_first_and_waits_from_then_on():
    ledger = filled(1, "a")
    ledger.add(7, "waits", 5.0)
    assert ledger.oldest() == 5.0
    ledger.lost("a", 9.0)
    assert ledger.waiting == 2
    assert ledger.give("b")[0] == 0


@given(st.data())
def test_each_request_ends_once_and_only_those_at_several_deaths_fail(data):
    ledger, ended, deaths = RequestLedger(), Counter(), Counter()
    steps = data.draw(st.lists(st.sampled_from(["add", "give", "give", "end", "die"]), max_size=60))
    for count, step in enumerate(steps):
        replica = data.draw(st.sampled_from("abc"))
        held = held_by(ledger, replica)
        if step == "add":
            ledger.add(count, count, 0.0)
        elif step == "give":
            ledger.give(replica)
        elif step == "end" and ledger.numbers():
            number = data.draw(st.sampled_from(ledger.numbers()))  # also one that waits
            assert ledger.done(number) == number
            assert ledger.done(number) is None
            ended[number] += 1
        elif step == "die":
            deaths.update(held)
            again, cause = ledger.lost(replica, 0.0)
            assert sorted([*again, *([] if cause is None else [cause])]) == held
            if cause is not None:
                assert deaths[cause] >= (2 if held == [cause] else 4)
                ended[ledger.done(cause)] += 1
    while ledger.numbers():
        ledger.give("last")
        for number in held_by(ledger, "last") or ledger.numbers():
            ended[ledger.done(number)] += 1
    assert ended == Counter(count for count, step in enumerate(steps) if step == "add")


@given(st.integers(1, 40), st.integers(0, 39), st.integers(1, 4))
def test_one_poisonous_request_costs_at_most_four_replicas_and_no_other_request(
    count, poison, replicas
):
    """All but the poisonous request are answered, though it kills whoever has it."""
    poison %= count
    ledger, deaths, answered, failed = filled(count), 0, set(), None
    while ledger.numbers():
        for replica in range(replicas):
            while ledger.give(replica):
                pass
        killed = ledger.replica(poison) if failed is None else None
        if killed is not None:
            deaths += 1
            _, failed = ledger.lost(killed, 0.0)
            if failed is not None:
                ledger.done(failed)
            continue
        for replica in range(replicas):
            for number in held_by(ledger, replica):
                ledger.done(number)
                answered.add(number)
    assert failed == poison
    assert answered == set(range(count)) - {poison}
    assert deaths <= 4


def held_by(ledger, replica):
    return [number for number in ledger.numbers() if ledger.replica(number) == replica]

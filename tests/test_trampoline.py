"""Coroutines that await one another as deep as memory allows."""

import sys

import pytest

from composer.trampoline import deep, run


@deep
async def count(depth):
    return 0 if depth == 0 else 1 + await count(depth - 1)


@deep
async def visit(tree, seen):
    """Visit a tree of lists from left to right, leaves as they come."""
    if not isinstance(tree, list):
        seen.append(tree)
        return 1
    return sum([await visit(each, seen) for each in tree])


@deep
async def fail(depth, left, error):
    try:
        if depth == 0:
            raise error
        await fail(depth - 1, left, error)
    finally:
        left.append(depth)


def test_depth_is_not_that_of_the_interpreter():
    before = sys.getrecursionlimit()
    sys.setrecursionlimit(300)
    try:
        assert run(count(10_000)) == 10_000
    finally:
        sys.setrecursionlimit(before)


def test_work_is_done_in_the_order_in_which_it_is_awaited():
    seen = []
    assert run(visit([1, [2, [3], 4], [[5]]], seen)) == 5
    assert seen == [1, 2, 3, 4, 5]


@pytest.mark.parametrize("error", [ValueError("deep"), KeyboardInterrupt()])
def test_what_goes_wrong_passes_through_all_who_wait_from_the_inside_out(error):
    left = []
    with pytest.raises(type(error)) as caught:
        run(fail(3, left, error))
    assert caught.value is error
    assert left == [0, 1, 2, 3]


def test_a_mistake_can_be_caught_where_it_was_awaited():
    @deep
    async def careful():
        try:
            await fail(2, [], ValueError("deep"))
        except ValueError as error:
            return f"caught {error}, {await count(2)} more"

    assert run(careful()) == "caught deep, 2 more"

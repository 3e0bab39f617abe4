"""A slice is called worse only where its rows suffice to say so."""

import pytest

from composer.evaluate.sentences import slice_remarks
from composer.evaluate.slices import tagged
from composer.evaluate.table import shown, tags_table


def slices(**tags):
    """Make slices from how often the recipe, and how often the best model, alone is right."""
    rows = {f"{tag}{at}": tag for tag, both in tags.items() for at in range(sum(both))}
    ours = {row: float(int(row[len(tag) :]) < tags[tag][0]) for row, tag in rows.items()}
    theirs = {row: 1 - each for row, each in ours.items()}
    return tagged(((row, (tag, "all")) for row, tag in rows.items()), ours, theirs)


@pytest.mark.parametrize(("lost", "named"), [(1, False), (4, False), (5, False), (6, True)])
def test_a_slice_is_worse_only_with_enough_rows(lost, named):
    found = slices(some=(0, lost), other=(9, 9))

    said = list(slice_remarks(found, lost + 18, "B"))

    assert said == ["Worse than B on 1 of 2 tags: some -100.0 points (-100.0 to -100.0)."] * named


def test_tags_that_all_rows_have_or_too_few_are_not_counted():
    found = slices(some=(0, 8), few=(1, 2), other=(9, 9))

    assert "on 1 of 2 tags: some" in next(slice_remarks(found, 29, "B"))
    assert "on 1 of 3 tags: some" in next(slice_remarks(found, 30, "B"))


def test_too_few_rows_have_no_interval():
    found = slices(few=(1, 2), other=(9, 9))

    assert "too few rows" in shown(_group(tags_table(found, "B")))
    assert found["few"].as_dict()["best_single"] == pytest.approx(2 / 3)
    assert "interval" not in found["few"].as_dict()


def _group(table):
    from rich.console import Group

    return Group(table)

"""Data files are read as people have them, and their mistakes are shown with their lines."""

import gzip
import json

import pytest

from composer.diagnostics import Mistakes
from composer.evaluate import divide, read_rows
from composer.methods import PartError
from composer.methods.estimators.training_rows import table
from composer.run.queries import as_query


@pytest.fixture
def write(tmp_path):
    def write(*lines, name="data.jsonl"):
        path = tmp_path / name
        texts = (line if isinstance(line, str) else json.dumps(line) for line in lines)
        path.write_text("\n".join(texts) + "\n", encoding="utf-8")
        return path

    return write


def mistakes(path, **options):
    with pytest.raises(Mistakes) as caught:
        read_rows(path, **options)
    return caught.value.diagnostics


def test_a_row_has_all_that_the_line_says(write):
    path = write(
        {
            "id": 7,
            "query": "2 + 2?",
            "reference": 4.0,
            "tags": ["sums"],
            "split": "test",
            "recorded": {"A": {"correct": True}},
            "hint": "even",
        }
    )

    (row,) = read_rows(path)

    assert (row.id, row.query, row.references) == ("7", "2 + 2?", ("4",))
    assert (row.tags, row.split) == (("sums",), "test")
    assert row.recorded["A"]["correct"] is True


def test_models_never_see_references_or_judgements(write):
    path = write({"query": "q", "reference": "r", "recorded": {}, "tags": [], "system": "s"})

    assert read_rows(path)[0].asked() == {"id": "1", "query": "q", "system": "s"}


@pytest.mark.parametrize(
    ("given", "references"),
    [
        ("so it is\n#### 1,000", ("1,000",)),
        (["Paris", "paris, France"], ("Paris", "paris, France")),
        (None, ()),
        (18, ("18",)),
        (0.5, ("0.5",)),
    ],
)
def test_references_come_in_several_shapes(write, given, references):
    assert read_rows(write({"query": "q", "reference": given}))[0].references == references


def test_common_data_sets_are_read_as_they_are(write):
    path = write({"question": "q", "answer": "a\n#### 18"}, {"input": "i", "target": "t"})

    assert [(row.query, row.references) for row in read_rows(path)] == [
        ("q", ("18",)),
        ("i", ("t",)),
    ]


def test_an_answer_beside_a_query_is_no_reference(write):
    assert read_rows(write({"query": "q", "answer": "a"}))[0].references == ()


def test_csv_has_its_columns_named_in_the_first_line(write):
    path = write(
        "id,query,reference,tags",
        '1,"Two, or\nthree?",2,"sums; small"',
        "2,Four?,,",
        name="data.csv",
    )

    first, second = read_rows(path)

    assert (first.query, first.references, first.tags) == (
        "Two, or\nthree?",
        ("2",),
        ("sums", "small"),
    )
    assert (second.id, second.references) == ("2", ())


def test_gzip_and_a_byte_order_mark_are_read(tmp_path):
    path = tmp_path / "data.jsonl.gz"
    path.write_bytes(gzip.compress(b'\xef\xbb\xbf{"query": "q"}\n'))

    assert read_rows(path)[0].query == "q"


def test_a_split_and_a_limit_keep_fewer_rows(write):
    path = write(*({"query": str(i), "split": "ab"[i % 2]} for i in range(6)))

    assert [row.query for row in read_rows(path, split="b", limit=2)] == ["1", "3"]


def test_a_split_that_is_not_there_names_those_that_are(write):
    (mistake,) = mistakes(write({"query": "q", "split": "train"}), split="test")

    assert mistake.code == "E504"
    assert mistake.help == "use one of: train"


def test_all_bad_lines_are_reported_at_once(write):
    found = mistakes(write({"query": "q"}, "{", "[]", {"text": "q"}, {"query": "q", "tags": 1}))

    assert [one.place.line for one in found] == [2, 3, 4, 5]
    assert {one.code for one in found} == {"E504"}


def test_a_bad_line_is_drawn_with_its_file(write):
    (mistake,) = mistakes(write({"query": "q"}, '{"query": 5}'))

    assert mistake.message == 'this row has no "query", or it is not a text'
    assert mistake.place.source.name.endswith("data.jsonl")
    assert mistake.place.text == '{"query": 5}'


def test_long_lines_are_cut_where_they_are_drawn(write):
    (mistake,) = mistakes(write('{"text": "' + "x" * 10_000 + '"}'))

    assert len(mistake.place.text) == 120


def test_equal_ids_are_refused_with_both_lines(write):
    (mistake,) = mistakes(write({"id": 1, "query": "q"}, {"id": "1", "query": "r"}))

    assert mistake.message == "the id `1` is already on line 1"


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ({"query": "q", "reference": {}}, '"reference"'),
        ({"query": "q", "recorded": {"A": 1}}, '"recorded"'),
        ({"query": " "}, '"query"'),
    ],
)
def test_wrong_shapes_are_named(write, row, said):
    (mistake,) = mistakes(write(row))

    assert said in mistake.message


def test_an_empty_file_has_no_rows(write):
    (mistake,) = mistakes(write(""))

    assert "has no rows" in mistake.message


def test_a_missing_file_is_named(tmp_path):
    (mistake,) = mistakes(tmp_path / "nowhere.jsonl")

    assert mistake.code == "E501"


def test_a_file_that_is_no_text_is_named(tmp_path):
    path = tmp_path / "data.jsonl"
    path.write_bytes(b"\xff\xfe\x00")

    assert mistakes(path)[0].code == "E504"


def test_a_row_stays_on_its_side_when_others_come(write):
    rows = read_rows(write(*({"id": f"r{i}", "query": "q"} for i in range(400))))

    left, right = divide(rows, 0.75)
    few, _ = divide(rows[::2], 0.75)

    assert len(left) + len(right) == 400
    assert 270 < len(left) < 330
    assert set(one.id for one in few) <= set(one.id for one in left)  # noqa: C401


def test_a_sample_is_drawn_by_its_seed_in_the_order_of_the_file(write):
    path = write(*({"id": at, "query": "q"} for at in range(100)))
    ids = [int(row.id) for row in read_rows(path, sample=10)]
    assert ids == sorted(ids)
    assert ids == [int(row.id) for row in read_rows(path, sample=10)]
    assert ids != [int(row.id) for row in read_rows(path, sample=10, seed=1)]
    assert max(ids) > 20


def test_a_sample_of_the_first_rows_stays_among_them(write):
    path = write(*({"id": at, "query": "q"} for at in range(100)))
    assert {int(row.id) for row in read_rows(path, limit=10, sample=5)} < set(range(10))
    assert len(read_rows(path, limit=3, sample=5)) == 3


@pytest.mark.parametrize(
    ("outcome", "said"),
    [
        ('{"score": 7}', "the `score` of `A` must be between 0 and 1, not 7"),
        ('{"correct": "yes"}', 'the `correct` of `A` must be between 0 and 1, not "yes"'),
        (
            '{"correct": true, "cost": -0.1}',
            "the `cost` of `A` must be a number of dollars, not -0.1",
        ),
    ],
)
def test_outcomes_out_of_range_are_errors_with_their_line(tmp_path, outcome, said):
    good = '{"query": "a", "recorded": {"A": {"score": 1, "cost": 0}}}'
    path = tmp_path / "rows.jsonl"
    path.write_text(good + "\n" + good.replace('{"score": 1, "cost": 0}', outcome) + "\n")
    with pytest.raises(Mistakes, match=r"rows\.jsonl:2") as caught:
        read_rows(path)
    assert said in str(caught.value)
    with pytest.raises(PartError) as caught:
        table(str(path))
    assert "line 2" in str(caught.value)
    assert said in str(caught.value)


def test_other_columns_of_a_row_do_not_change_what_is_drawn():
    plain, beside = {"query": "2 + 2?"}, {"query": "2 + 2?", "note": "n", "tags": ["sums"]}
    assert as_query(plain).drawn_by == as_query(beside).drawn_by == as_query("2 + 2?").drawn_by
    assert as_query({**plain, "id": "q7"}).drawn_by == "q7"

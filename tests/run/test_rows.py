"""Queries read from lines, and an output file that can be taken up again."""

import json

import pytest

from composer.run import Failure, OutputFile, Result, read_queries
from composer.run.queries import as_query
from composer.values import Query


def read(*lines, name="q.txt"):
    return list(read_queries(lines, name))


def test_a_line_is_a_text_or_an_object():
    first, second, third = read(
        "What?\n", '{"query": "Why?", "id": 7, "topic": "sky"}\n', "  \n", '{"query": "x"}'
    )
    assert (first.text, first.id) == ("What?", "1")
    assert (second.text, second.id, second.fields["topic"]) == ("Why?", "7", "sky")
    assert third.id == "4"


def test_a_conversation_is_a_query():
    (query,) = read(
        '{"messages": [{"role": "system", "content": "s"}, {"role": "user", "content": "u"}]}'
    )
    assert query.messages == (("system", "s"), ("user", "u"))
    (query,) = read('{"system": "s", "query": "u"}')
    assert query.messages == (("system", "s"), ("user", "u"))


def test_an_id_of_null_is_none():
    assert read('{"query": "x", "id": null}')[0].id == "1"


def test_the_mark_of_an_editor_before_the_text_is_passed_over():
    assert read('\ufeff{"query": "x"}')[0].text == "x"


def test_lines_may_end_as_on_windows():
    assert read("What?\r\n")[0].text == "What?"


@pytest.mark.parametrize(
    "line",
    [
        '{"query": ',
        "a text where objects are promised",
        '{"questoin": "x"}',
        '{"query": null}',
        '{"messages": [3]}',
        '{"messages": [{}]}',
    ],
)
def test_a_line_that_is_no_query_is_told_by_its_number(line):
    with pytest.raises(Failure) as caught:
        read('{"query": "fine"}\n', line, name="q.jsonl")
    assert caught.value.code == "E504"
    assert "q.jsonl, line 2" in caught.value.message


def test_bytes_that_are_no_text_are_told(tmp_path):
    path = tmp_path / "q.txt"
    path.write_bytes(b"fine\n\xff\xfe\n")
    with path.open(encoding="utf-8") as file, pytest.raises(Failure) as caught:
        list(read_queries(file, "q.txt"))
    assert caught.value.code == "E504"


def test_a_query_stays_what_it_is():
    query = Query.of("x", id="9")
    assert as_query(query) is query


def row(id_, answer="a", query=None, **more):
    """Write a row of an output file."""
    return json.dumps({"id": id_, "query": query or f"q{id_}", "answer": answer, **more}) + "\n"


def queries(*ids):
    return [Query.of(f"q{id_}", id=id_) for id_ in ids]


def result(id_, error=None):
    return Result(id_, f"q{id_}", None if error else "a", error=error)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "a.jsonl"


def ids(path):
    return [json.loads(line)["id"] for line in path.read_text().splitlines()]


def test_what_is_written_is_in_the_file_at_once(path):
    with OutputFile(path) as rows:
        rows.write(result("1"))
        assert ids(path) == ["1"]


def test_what_is_answered_is_not_asked_again(path):
    path.write_text(row("1") + row("3"))
    with OutputFile(path) as rows:
        assert [each.id for each in rows.pending(queries("1", "2", "3", "4"))] == ["2", "4"]


def test_a_torn_last_line_is_dropped_and_asked_again(path):
    path.write_text(row("1") + row("2")[:20])
    with OutputFile(path) as rows:
        assert [each.id for each in rows.pending(queries("1", "2"))] == ["2"]
        rows.write(result("2"))
    assert ids(path) == ["1", "2"]


def test_a_last_line_without_its_end_counts_as_torn(path):
    path.write_text((row("1") + row("2")).rstrip("\n"))
    with OutputFile(path) as rows:
        assert list(rows.done) == ["1"]


def test_errors_are_dropped_and_asked_again(path):
    path.write_text(row("1", None, error="[E701] x") + row("2") + row("1"))
    with OutputFile(path) as rows:
        assert sorted(rows.done) == ["1", "2"]
    assert ids(path) == ["2", "1"]


def test_a_row_that_stands_twice_is_kept_once(path):
    path.write_text(row("1", "first") + row("1", "second"))
    with OutputFile(path):
        pass
    assert [json.loads(line)["answer"] for line in path.read_text().splitlines()] == ["first"]


def test_a_file_that_is_whole_is_not_written_anew(path):
    path.write_text(row("1"))
    before = path.stat().st_mtime_ns
    with OutputFile(path):
        pass
    assert path.stat().st_mtime_ns == before
    assert not list(path.parent.glob("*.tmp"))


@pytest.mark.parametrize(
    "text", ["hello\n", "[1]\n", '{"x": 1}\n', row("1") + "hello\n" + row("2")]
)
def test_a_file_of_something_else_is_refused_and_left_alone(path, text):
    path.write_text(text)
    with pytest.raises(Failure) as caught:
        OutputFile(path)
    assert caught.value.code == "E706"
    assert path.read_text() == text


def test_a_file_of_other_queries_is_refused(path):
    path.write_text(row("1", query="another"))
    with OutputFile(path) as rows, pytest.raises(Failure) as caught:
        list(rows.pending(queries("1")))
    assert caught.value.code == "E706"


def test_different_queries_under_one_id_are_refused(path):
    with OutputFile(path) as rows, pytest.raises(Failure) as caught:
        list(rows.pending([Query.of("x", id="1"), Query.of("y", id="1")]))
    assert caught.value.code == "E504"


def test_a_query_that_is_given_twice_is_asked_once(path):
    with OutputFile(path) as rows:
        assert len(list(rows.pending([Query.of("x", id="1"), Query.of("x", id="1")]))) == 1


def test_a_place_that_cannot_be_written_is_told(tmp_path):
    with pytest.raises(Failure) as caught:
        OutputFile(tmp_path / "nowhere" / "a.jsonl")
    assert caught.value.code == "E718"

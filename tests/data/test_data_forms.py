"""Rows are read in the forms in which people have them, and what is wrong is told by its line."""

import bz2
import gzip
import hashlib
import json
import lzma
from functools import partial

import pytest

from composer.data import (
    BadRow,
    Unreadable,
    messages_of,
    parsed,
    query_of,
    read,
    recorded_of,
)

ROWS = [{"id": "1", "query": "one, or two"}, {"id": "2", "query": "drei \u00fc\u2028"}]
JSON_LINES = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in ROWS)
TABLE = 'id,query\n1,"one, or two"\n2,drei \u00fc\u2028\n'


def contents(path):
    return [line.content for line in read(path)]


def lines(text, name="q.jsonl"):
    return list(parsed(text.splitlines(keepends=True), name))


def wrong(text, name="q.jsonl"):
    """Return the numbers and the messages of the bad rows."""
    found = [line for line in lines(text, name) if isinstance(line.content, BadRow)]
    return [(line.number, line.content.message) for line in found]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("q.jsonl", JSON_LINES),
        ("q.ndjson", JSON_LINES),
        ("q.json", JSON_LINES),
        ("q.json", json.dumps(ROWS)),
        ("q.json", json.dumps(ROWS, indent=2)),
        ("q.txt", json.dumps(ROWS, indent=2)),
        ("q.txt", JSON_LINES),
        ("q.csv", TABLE),
        ("q.txt", TABLE),
        ("q.csv", TABLE.replace("\n", "\r\n")),
        ("q.csv", 'id;query\n1;"one, or two"\n2;drei \u00fc\u2028\n'),
        ("q.tsv", "id\tquery\n1\tone, or two\n2\tdrei \u00fc\u2028\n"),
        ("q.csv", 'id, query\n1,"one, or two"\n2,drei \u00fc\u2028\n'),
    ],
)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32"])
def test_rows_are_the_same_in_every_form(tmp_path, name, text, encoding):
    path = tmp_path / name
    path.write_bytes(text.encode(encoding))
    assert contents(path) == ROWS


@pytest.mark.parametrize("pack", [gzip.compress, bz2.compress, lzma.compress])
@pytest.mark.parametrize("name", ["q.jsonl", "q.jsonl.gz", "q.jsonl.bz2"])
def test_packed_files_are_known_by_their_first_bytes(tmp_path, pack, name):
    path = tmp_path / name
    path.write_bytes(pack(JSON_LINES.encode()))
    assert contents(path) == ROWS


def test_parquet_gives_the_same_rows(tmp_path):
    pa = pytest.importorskip("pyarrow", reason="Parquet is read with pyarrow")
    from pyarrow import parquet

    path = tmp_path / "q.parquet"
    parquet.write_table(pa.Table.from_pylist(ROWS), path)
    assert contents(path) == ROWS
    whole = path.read_bytes()
    for cut in (whole[:40], whole[:-6], whole[:50] + b"\xff" * 30 + whole[80:]):
        path.write_bytes(cut)
        assert any(isinstance(each, BadRow) for each in contents(path))


@pytest.mark.parametrize(
    "start",
    [b"PK\x03\x04", b"\x28\xb5\x2f\xfd", b"ARROW1", b"\x89HDF", b"SQLite format 3", b"\x80\x04"],
)
def test_what_is_not_read_is_said(tmp_path, start):
    path = tmp_path / "q.jsonl"
    path.write_bytes(start + b"\0" * 100)
    with pytest.raises(Unreadable) as caught:
        read(path)
    assert caught.value.code == "E504"


def test_wide_text_without_a_mark_is_said(tmp_path):
    path = tmp_path / "q.jsonl"
    path.write_bytes(JSON_LINES.encode("utf-16-le"))
    with pytest.raises(Unreadable, match="NUL"):
        read(path)


@pytest.mark.parametrize(
    "pack", [gzip.compress, partial(bz2.compress, compresslevel=1), lzma.compress]
)
def test_a_packed_file_that_is_cut_off_is_told(tmp_path, pack):
    path = tmp_path / "q.jsonl"
    rows = (json.dumps({"query": hashlib.sha256(b"%d" % at).hexdigest()}) for at in range(6_000))
    whole = pack("\n".join(rows).encode())
    path.write_bytes(whole[: len(whole) // 2])
    *good, last = read(path)
    assert isinstance(last.content, BadRow)
    assert last.number == len(good) + 1 > 1000


def test_a_byte_that_is_no_text_is_told_with_its_line(tmp_path):
    path = tmp_path / "q.jsonl"
    path.write_bytes(b'{"query": "a"}\n{"query": "b"}\n{"query": "\xff"}\n')
    found = list(read(path))
    assert [line.number for line in found] == [1, 2, 3]
    assert "UTF-8" in found[2].content.message


@pytest.mark.parametrize(
    ("text", "number", "said"),
    [
        ('id,query\n1,"a\n2,b\n3,c\n', 2, "never closed"),
        ('id,query\n1,"a\n2,b"x\n', 2, "quote"),
        ("id,query\n1,a\n2,b,c\n", 3, "3 fields"),
        ("id,query\n1,a\n2\n", 3, "1 field,"),
        ("id,query,query\n1,a,b\n", 1, "two columns"),
        ("id,query,,\n1,a,,\n", 1, "two columns"),
        ("id,query,\n1,a,\n", 1, "no name"),
        ("id,query\n1,a\0\n", 2, "NUL"),
        ('id,query\n1,"a\nb"\n1,c\n', 4, "already on line 2"),
        ("id,questoin\n1,a\n", 1, "unknown column `questoin`"),
        ("ID,query\n1,a\n", 1, "unknown column `ID`"),
        ('id,query,recorded\n1,a,"{"\n', 2, "not JSON"),
    ],
)
def test_a_malformed_table_is_told_by_its_line(text, number, said):
    first, *_ = wrong(text, "q.csv")
    assert first[0] == number
    assert said in first[1]


def test_good_rows_beside_a_bad_one_are_read(tmp_path):
    found = lines("id,query\n1,a\n2,b,c\n3,d\n", "q.csv")
    assert [line.number for line in found] == [2, 3, 4]
    assert [isinstance(line.content, BadRow) for line in found] == [False, True, False]


def test_an_index_without_a_name_is_no_field():
    (row,) = lines(",query\n0,a\n", "q.csv")
    assert row.content == {"query": "a"}


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ('{"query": NaN}', "NaN"),
        ('{"query": "a", "x": -Infinity}', "-Infinity"),
        ('{"query": "a", "x": 1e999}', "1e999"),
        ('{"query": "a", "query": "b"}', "twice"),
        ('{"query": "a"', "ends in the middle"),
        ('{"query": "a"}}', "from character 15"),
        ('{"query" "a"}', "from character 10"),
        ("[1]", "not a JSON object"),
        ('"text"', "not a JSON object"),
        ("null", "not a JSON object"),
        ("[" * 200_000, "nested too deep"),
        ('{"query": "a", "n": ' + "9" * 5000 + "}", "too long"),
        ('{"id": "1", "query": "again"}', "already on line 1"),
        ('{"id": 1, "query": "again"}', "already on line 1"),
        ('{"id": 1.0, "query": "again"}', "already on line 1"),
        ('{"id": [1], "query": "a"}', '"id"'),
        ('{"id": true, "query": "a"}', '"id"'),
        ('{"qeury": "a"}', "qeury"),
        ('{"query": "a", "refrence": "b"}', "refrence"),
        ('{"query": "a", "sytem": "b"}', "sytem"),
        ('{"Query": "a"}', "Query"),
    ],
)
def test_a_malformed_line_is_told_by_its_number(line, said):
    (found,) = wrong('{"id": "1", "query": "x"}\n\n' + line + '\n{"query": "y"}\n')
    assert found[0] == 3
    assert said in found[1]


def test_the_library_of_json_never_speaks():
    for line in ('{"a" 1}', "{'a': 1}", '{"a": "\t"}', "{,}", '{"a": 01}', "nul", '{"a": "\\x"}'):
        ((_, said),) = wrong(line)
        assert "Expecting" not in said
        assert "delimiter" not in said
        assert "Invalid" not in said


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ('[\n{"query": "a"},\n{"query": }\n]', 3),
        ('[\n{"query": "a"},\n\n7\n]', 4),
        ('[\n{"query": "a"},\n{"query": "b"}\n', 3),
        ('[{"query": "a"}]\n{"query": "b"}', 2),
        ('[\n{"id": 1, "query": "a"},\n{"id": 1, "query": "b"}]', 3),
    ],
)
def test_a_row_of_a_list_is_told_by_its_line(text, number):
    assert wrong(text, "q.json")[0][0] == number


@pytest.mark.parametrize(
    "row",
    [
        {"query": "q", "references": ["a"]},
        {"query": "q", "tag": "a", "answers": "b", "inputs": "c", "answer_a": "d", "hint": "e"},
        {"question": "q", "questions": 3},
        {"input": "q", "target": "t"},
        {"prompt": "q", "completion": "c"},
        {"messages": [{"role": "user", "content": "q"}], "topic": "t"},
    ],
)
def test_names_of_ones_own_are_left_alone(row):
    (line,) = lines(json.dumps(row))
    assert query_of(line.content) == "q"


def asked(row):
    return messages_of(row)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ([{"type": "text", "text": "a"}], "a"),
        ([{"type": "input_text", "text": "a"}, {"type": "text", "text": "b"}], "a\nb"),
        ([{"type": "text", "text": "a"}, {"type": "text", "text": ""}], "a"),
    ],
)
def test_the_text_of_content_parts_is_asked(content, said):
    assert messages_of({"messages": [{"role": "user", "content": content}]}) == (("user", said),)
    assert query_of({"query": content}) == said


def test_calls_of_tools_are_named_as_left_out():
    turn = {"role": "assistant", "content": "I look", "tool_calls": [{"id": "1"}]}
    (line,) = lines(json.dumps({"messages": [{"role": "user", "content": "q"}, turn]}))
    assert line.left_out == ("`tool_calls`",)


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ({"query": 3}, "query"),
        ({"query": ["a", "b"]}, "query"),
        ({"query": {"text": "a"}}, "query"),
        ({"query": True}, "query"),
        ({"query": None}, "query"),
        ({"query": " "}, "query"),
        ({"query": []}, "query"),
        ({"query": [{"type": "image_url"}]}, "query"),
        ({"query": [{"type": "text", "text": 3}]}, "query"),
        ({"query": "\ud800"}, "UTF-8"),
        ({"query": "q", "system": 3}, "system"),
        ({"messages": "q"}, "messages"),
        ({"messages": []}, "messages"),
        ({"messages": {}}, "messages"),
        ({"messages": [3]}, "message 1"),
        ({"messages": [{"content": "q"}]}, "message 1"),
        ({"messages": [{"role": "user", "content": None}]}, "message 1"),
        ({"messages": [{"role": "user", "content": 5}]}, "message 1"),
        ({"messages": [{"role": "user"}]}, "message 1"),
        ({"messages": [{"role": "usr", "content": "q"}]}, "'usr'"),
        ({"messages": [{"role": "tool", "content": "q"}]}, "'tool'"),
        ({"messages": [{"role": ["user"], "content": "q"}]}, "message 1"),
        ({"messages": [{"role": "system", "content": "q"}]}, "no question"),
        ({"messages": [{"role": "user", "content": ""}]}, "no question"),
        ({"messages": [{"role": "user", "content": "q"}], "query": "p"}, "different things"),
        (
            {
                "messages": [{"role": "system", "content": "a"}, {"role": "user", "content": "q"}],
                "system": "b",
            },
            "different system",
        ),
    ],
)
def test_a_row_that_asks_nothing_in_text_is_refused(row, said):
    with pytest.raises(BadRow) as caught:
        messages_of(row)
    assert said in caught.value.message


def test_a_conversation_keeps_its_turns_and_is_given_its_system():
    turns = [("user", "a"), ("assistant", ""), ("user", "b")]
    row = {"messages": [{"role": role, "content": said} for role, said in turns]}
    assert messages_of(row) == tuple(turns)
    assert messages_of(row | {"system": "s"}) == (("system", "s"), *turns)
    assert messages_of(row | {"query": "b"}) == tuple(turns)
    developer = {"messages": [{"role": "developer", "content": "s"}, *row["messages"]]}
    assert messages_of(developer)[0] == ("system", "s")


def test_an_instruction_is_asked_with_its_input():
    row = {"instruction": "Translate.", "input": "eins", "output": "one"}
    assert query_of(row) == "Translate.\neins"


def test_tasks_of_big_bench_hold_their_rows_as_examples():
    text = json.dumps({"canary": "x", "examples": [{"input": "a", "target": "b"}, {"input": "c"}]})
    assert [query_of(line.content) for line in lines(text, "q.json")] == ["a", "c"]


BATCH = {
    "custom_id": "r1",
    "method": "POST",
    "url": "/v1/chat/completions",
    "body": {
        "model": "gpt",
        "temperature": 0,
        "messages": [{"role": "system", "content": "s"}, {"role": "user", "content": "q"}],
    },
}


def test_a_request_of_a_batch_is_a_row():
    (line,) = lines(json.dumps(BATCH))
    assert messages_of(line.content) == (("system", "s"), ("user", "q"))
    assert line.content["id"] == "r1"
    assert line.content["request"]["body"] == BATCH["body"]


@pytest.mark.parametrize(
    "change",
    [
        {"custom_id": None},
        {"custom_id": 3},
        {"body": None},
        {"body": []},
        {"url": "/v1/embeddings"},
        {"url": 3},
    ],
)
def test_a_request_that_is_none_is_told(change):
    ((number, said),) = wrong(json.dumps(BATCH | change))
    assert number == 1
    assert "request" in said


def test_a_quote_that_is_not_closed_gets_an_example_of_quotes_inside_quotes():
    (row,) = lines('question,answer\n"q,a\n', "q.csv")
    assert isinstance(row.content, BadRow)
    assert row.content.help.endswith('`"He said ""yes"""`')


@pytest.mark.parametrize(
    ("outcome", "slip", "meant"),
    [
        ({"answer": "Paris", "cost": 0.1}, "answer", "text"),
        ({"txt": "Paris"}, "txt", "text"),
        ({"text": "Paris", "price": 0.1}, "price", "cost"),
        ({"text": "Paris", "corect": True}, "corect", "correct"),
        ({"answer": ["Paris", "Rome"], "Text": None}, "Text", "text"),
    ],
)
def test_a_misspelt_field_of_a_recorded_answer_is_named(outcome, slip, meant):
    with pytest.raises(BadRow, match=f"`small` has the unknown field `{slip}`") as error:
        recorded_of({"query": "?", "recorded": {"small": outcome}})
    assert error.value.help == f"did you mean `{meant}`?"


@pytest.mark.parametrize(
    "outcome",
    [
        {"text": "Paris", "answer": "P", "logprob": -1, "ratings": [7]},
        {"answers": ["Paris"], "passed": [True]},
        {"text": "Paris", "temperature": 0.7, "model": "m", "finish_reason": "stop"},
    ],
)
def test_fields_that_published_files_have_besides_are_no_mistakes(outcome):
    assert recorded_of({"recorded": {"small": outcome}}) == {"small": outcome}

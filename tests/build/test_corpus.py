"""What a student is trained on: running text, rows, and what is refused."""

import pytest

from composer.build.corpus import documents, questions, refuse_overlap
from composer.diagnostics import Mistakes


def read(tmp_path, name, text, length=8):
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    return documents(str(path), length, len)


def test_running_text_is_cut_at_the_ends_of_lines(tmp_path):
    found = read(tmp_path, "a.txt", "one\ntwo\nthree\n")
    assert [each.text for each in found] == ["one\ntwo\n", "three\n"]
    assert all(each.query is None and not each.end for each in found)


def test_a_long_line_is_cut_in_halves_before_a_space(tmp_path):
    pieces = [each.text for each in read(tmp_path, "a.txt", "aaa bbb ccc ddd")]
    assert "".join(pieces) == "aaa bbb ccc ddd"
    assert all(len(piece) <= 8 for piece in pieces)


def test_rows_have_texts_or_questions_with_answers(tmp_path):
    rows = '{"text": "abc"}\n{"query": "2 + 2?", "reference": "4"}\n'
    text, answer = read(tmp_path, "a.jsonl", rows)
    assert (text.query, text.text, text.end) == (None, "abc", False)
    assert (answer.query.text, answer.text, answer.end) == ("2 + 2?", "4", True)


def test_the_last_turn_of_a_conversation_is_learned(tmp_path):
    rows = (
        '{"messages": [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Yes"}]}'
    )
    (one,) = read(tmp_path, "a.jsonl", rows)
    assert (one.query.messages, one.text) == ((("user", "Hi"),), "Yes")


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("a.txt", " \n", "has no text to learn from"),
        ("a.jsonl", "", "has no text to learn from"),
        ("a.jsonl", '{"query": "2 + 2?"}', "this row has no answer to learn"),
        ("a.jsonl", '{"text": 3}', "must be a text"),
        ("a.jsonl", '{"question": "a", "answer": "b", "split": "test"}', "of the split `test`"),
        ("a.jsonl", '{"other": "a"}', "neither a `text` nor a question"),
        ("a.jsonl", "{", ""),
    ],
)
def test_what_cannot_be_learned_is_refused(tmp_path, name, text, said):
    with pytest.raises(Mistakes) as caught:
        read(tmp_path, name, text)
    (found, *_) = caught.value.diagnostics
    assert found.code == "E504"
    assert said in found.message
    assert found.help


def test_text_that_is_no_text_is_refused(tmp_path):
    path = tmp_path / "a.txt"
    path.write_bytes(b"\xff\xfe\xfa")
    with pytest.raises(Mistakes, match="UTF-8"):
        documents(str(path), 8, len)


def test_running_text_asks_nothing(tmp_path):
    (tmp_path / "a.txt").write_text("abc")
    with pytest.raises(Mistakes, match="teachers answer questions"):
        questions(str(tmp_path / "a.txt"))


def test_a_corpus_that_has_the_test_is_refused(tmp_path):
    (tmp_path / "test.jsonl").write_text('{"query": "What is  2 plus 2?", "reference": "4"}\n')
    rows = '{"query": "what is 2 plus 2?", "reference": "5"}\n{"query": "Other?", "reference": "1"}'
    texts = read(tmp_path, "a.jsonl", rows)
    with pytest.raises(Mistakes, match="1 text of the corpus"):
        refuse_overlap("a.jsonl", texts, str(tmp_path / "test.jsonl"))
    refuse_overlap("a.jsonl", texts[1:], str(tmp_path / "test.jsonl"))

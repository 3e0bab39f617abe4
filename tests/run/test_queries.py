"""What may be asked, and what is refused with advice."""

import pytest

from composer.run import Failure, read_queries


@pytest.mark.parametrize("alone", ["text", b"text", {"query": "text"}])
def test_map_refuses_a_lone_question(ready, alone):
    with pytest.raises(TypeError, match="put it in a list"):
        ready("say").map(alone)


@pytest.mark.parametrize("given", [3, None, ["text"]])
def test_what_is_no_question_is_told_what_is_one(ready, given):
    with pytest.raises(TypeError, match="a text, a row such as"):
        ready("say")(given)


@pytest.mark.parametrize("line", ["What?", '"What?"', "[1]", "3"])
def test_a_file_of_rows_holds_no_plain_text(line):
    with pytest.raises(Failure) as caught:
        list(read_queries(['{"query": "x"}\n', line], "q.jsonl"))
    assert caught.value.code == "E504"
    assert caught.value.message.startswith("q.jsonl, line 2: this line is not")


@pytest.mark.parametrize("name", ["q.txt", "stdin"])
def test_a_file_of_text_holds_both(name):
    first, second = read_queries(["What?\n", '{"query": "x"}\n'], name)
    assert (first.text, second.text) == ("What?", "x")

"""Tokens as JSON: exact numbers, tokens that split characters, tokens of one text."""

import json

import pytest

from composer.backends.endpoint.asking.replies import choices_of
from composer.serve.protocol.token_names import Offsets, TokenNames
from composer.values.details import LikelyToken, TokenChoice

EURO = "€".encode()
HALVES = (
    TokenChoice(LikelyToken(b" 5", -0.1, 7), (LikelyToken(b" 5", -0.1, 7),)),
    TokenChoice(
        LikelyToken(EURO[:2], -1.5, 8),
        (LikelyToken(EURO[2:], -0.3, 9), LikelyToken(EURO[:2], -1.5, 8)),
    ),
    TokenChoice(LikelyToken(EURO[2:], -1 / 3, 9)),
    TokenChoice(LikelyToken(b"!", -float("inf"), 10)),
)


def completion(choices, *, as_ids=False, start=0):
    return json.loads(TokenNames(None, as_ids=as_ids).completion(choices, Offsets(start)))


def test_tokens_of_one_text_do_not_hide_each_other():
    facts = completion(HALVES)
    row = facts["top_logprobs"][1]
    assert row == {"\ufffd": -1.5, "token_id:9": -0.3}
    assert max(row.values()) != facts["token_logprobs"][1]  # it was not the greedy choice
    assert row[facts["tokens"][1]] == facts["token_logprobs"][1]


def test_a_token_without_an_id_is_named_by_its_bytes():
    other = LikelyToken(b"\xff", -0.2)
    facts = completion([TokenChoice(LikelyToken(b"\xfe", -2.0), (other,))])
    assert facts["top_logprobs"] == [{"\ufffd": -2.0, "bytes:\\xff": -0.2}]


def test_numbers_are_exact_and_no_row_is_empty():
    facts = completion(HALVES)
    assert facts["token_logprobs"] == [-0.1, -1.5, -1 / 3, -9999.0]
    assert all(facts["top_logprobs"])
    for token, logprob, row in zip(
        facts["tokens"], facts["token_logprobs"], facts["top_logprobs"], strict=True
    ):
        assert row[token] == logprob


@pytest.mark.parametrize("start", [0, 12])
def test_offsets_count_characters_also_where_tokens_split_them(start):
    assert completion(HALVES, start=start)["text_offset"] == [start + n for n in (0, 2, 2, 3)]


def test_tokens_go_by_their_ids_where_that_is_wanted():
    facts = completion(HALVES, as_ids=True)
    assert facts["tokens"] == ["token_id:7", "token_id:8", "token_id:9", "token_id:10"]
    assert facts["top_logprobs"][1] == {"token_id:8": -1.5, "token_id:9": -0.3}


def test_chats_describe_tokens_by_their_own_bytes():
    content = json.loads(f"[{TokenNames(None, as_ids=False).chat(HALVES)}]")
    assert bytes(b for each in content for b in each["bytes"]).decode() == " 5€!"
    assert [each["logprob"] for each in content[1]["top_logprobs"]] == [-0.3, -1.5]


def test_special_tokens_have_no_text_and_go_by_their_names(models):
    tokenizer = models.get("alone").tokenizer
    end = min(tokenizer.ends)
    names = TokenNames(tokenizer, as_ids=False)
    assert names.name(LikelyToken(b"", -0.5, end)) == "<eos>"
    assert names.name(LikelyToken(b"", -0.5)) == ""


def test_our_own_client_reads_both_forms():
    names = TokenNames(None, as_ids=True)
    chat = json.loads(f'{{"content":[{names.chat(HALVES)}]}}')
    facts = json.loads(names.completion(HALVES, Offsets()))
    told = [
        {"index": 0, "message": {"content": " 5€!"}, "logprobs": chat, "finish_reason": "stop"},
        {"index": 0, "text": " 5€!", "logprobs": facts, "finish_reason": "stop"},
    ]
    for choice in told:
        (answer,) = choices_of({"choices": [choice]}, 1)
        assert [each.token.id for each in answer.positions] == [7, 8, 9, 10]
        assert [each.logprob for each in answer.positions] == [-0.1, -1.5, -1 / 3, -9999.0]

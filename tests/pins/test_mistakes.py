"""Mistakes about models, fuses, prompts and what members can do, at check and when it runs."""

import shutil
from pathlib import Path

import pytest

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
ZOO = 'use "zoo.ens" (general, maths, text, large, other)\n'
FAKES = 'use "fakes.lib" (A, B, C, say, broken)\n'
TOKEN = (ROOT / "recipes" / "token").as_posix()
WRONG = {
    "fake_in_a_token_fuse": ZOO + FAKES + "token_fuse(general, A)",
    "fake_in_a_span_fuse": ZOO + FAKES + "span_fuse(general, A)",
    "fake_in_a_byte_fuse": ZOO + FAKES + "byte_fuse(general, A)",
    "fake_in_a_handoff": ZOO + FAKES + "handoff(A, general)",
    "fake_that_scores": ZOO + FAKES + "[general, A] -> rank(B, by = likely()) -> best()",
    "fake_whose_grade_is_read": FAKES + "route(say, by = asked()) -> [A, B]",
    "fake_whose_prompt_is_read": ZOO + FAKES + "route -> [general, A]",
    "recording_in_a_fuse": ZOO + 'use "recordings.lib" (M)\ntoken_fuse(general, M)',
    "recording_without_the_model": 'model M = recorded("kept.jsonl", "smal")\nM',
    "zoo_model_misspelled": 'model M = zoo("generel-1")\nM',
    "folder_without_a_model": 'model M = hf(".")\nM',
    "spans_in_a_token_fuse": ZOO + "token_fuse(span_fuse(general, maths), text)",
    "bytes_in_a_token_fuse": ZOO + "token_fuse(byte_fuse(general, maths), text)",
    "hand_over_in_a_byte_fuse": ZOO + "byte_fuse(handoff(general, maths), text)",
    "bytes_in_a_span_fuse": ZOO + "span_fuse(byte_fuse(general, maths), text)",
    "unlike_vocabularies": ZOO + "token_fuse(general, other)",
    "unlike_vocabularies_drafted": (
        ZOO + "token_fuse(general, other, align = union(), draft = speculative())"
    ),
    "weights_of_others": ZOO + "span_fuse(general, maths, weights = [1, 2, 3])",
    "weights_below_zero": ZOO + "byte_fuse(general, maths, weights = [1, -1])",
    "weights_all_zero": ZOO + "token_fuse(general, maths, weights = [0, 0])",
    "formula_that_is_weighed": ZOO + "token_fuse(general + maths, weigh = entropy())",
    "formula_that_is_left": ZOO + "token_fuse(general + maths, leave = true)",
    "gate_and_draft": ZOO + "token_fuse(general, maths, gate = unsure(), draft = safe())",
    "draft_of_a_fuse": ZOO + "token_fuse(token_fuse(general, maths), text, draft = safe())",
    "search_over_unlike_prompts": (
        ZOO + 'let p = prompt("""{{ query }}!""") -> maths\n'
        "token_fuse(general, p, weigh = search())"
    ),
    "prior_of_a_nested_fuse": ZOO
    + "token_fuse(token_fuse(general, maths, weigh = perplexity()), text)",
    "too_many_experts": ZOO + "handoff(general, maths, text)",
    "expert_tokens_that_are_none": (
        ZOO + 'handoff(general, maths, when = expert_tokens(tokens = ["<maths>"]))'
    ),
    "gate_that_learnt_nothing": ZOO + "token_fuse(general, maths, gate = critical())",
    "gate_of_another_part": ZOO
    + f'token_fuse(general, large, gate = routed(file = "{TOKEN}/critical_tokens.safetensors"))',
    "gate_of_another_model": ZOO
    + f'token_fuse(large, general, gate = routed(file = "{TOKEN}/citer.safetensors"))',
    "mapping_of_other_models": ZOO
    + f'token_fuse(other, text, align = mapped(file = "{TOKEN}/eva.safetensors"))',
    "learnt_file_that_is_none": ZOO
    + 'token_fuse(general, maths, weigh = learned(file = "kept.jsonl"))',
    "prompt_of_what_is_not_there": 'use "fakes.lib" (say)\nprompt("""{{ fields.topic }}""") -> say',
    "member_prompt_of_what_is_not_there": (
        ZOO + 'let p = prompt("""{{ fields.topic }}""") -> maths\ntoken_fuse(general, p)'
    ),
    "member_prompt_of_answers": (
        ZOO + 'let p = prompt("""{{ answers }}""") -> maths\ntoken_fuse(general, p)'
    ),
    "model_that_fails": FAKES + "[A, broken] -> vote()",
    "judge_without_a_verdict": FAKES + "[A, C] -> rank(B, by = judge()) -> best()",
    "nobody_votes": FAKES + "[A, B] -> extract(number()) -> vote()",
    "question_that_was_not_recorded": 'use "recordings.lib" (M)\nM',
    "question_that_is_too_long": ZOO + "[general, maths] -> vote()",
    "fuse_of_a_question_that_is_too_long": ZOO + "span_fuse(general, other)",
}
LONG = "Add " + " and ".join(map(str, range(300))) + "."


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder with fakes and recordings in it, where recipes are written and run."""
    for name in ("fakes.lib", "recordings.lib", "kept.jsonl"):
        shutil.copy(HERE / "recipes" / name, tmp_path)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("name", WRONG)
def test_a_mistake_is_told_as_before(name, compose, golden, portable, folder):
    (folder / "wrong.ens").write_text(WRONG[name] + "\n")
    said = [compose("check", "wrong.ens")]
    if said[0][0] == 0:
        question = LONG if name.endswith("too_long") else "Why is that?"
        said.append(compose("run", "wrong.ens", question, "--no-cache"))
    assert said[-1][0] > 0
    text = "\n".join(f"{status}\n{out}{err}" for status, out, err in said)
    golden(HERE / "golden" / "mistakes" / f"{name}.txt", portable(text))

"""Options of fuses that nobody would heed are refused before anything runs."""

import pytest

from composer.diagnostics import Mistakes
from composer.recipe import Recipe

MODELS = 'use "zoo.ens" (general, maths, text)\n'


def codes(tmp_path, expression):
    path = tmp_path / "fuse.ens"
    path.write_text(MODELS + expression + "\n", encoding="utf-8")
    try:
        Recipe.load(path)
    except Mistakes as mistakes:
        return [(each.code, each.message) for each in mistakes.diagnostics]
    return []


@pytest.mark.parametrize(
    "inner", ["weigh = search()", "weigh = perplexity()", "leave = true", "gate = unsure()"]
)
def test_inside_another_fuse(tmp_path, inner):
    option = inner.split(" ")[0]
    ((code, message),) = codes(tmp_path, f"token_fuse(token_fuse(general, maths, {inner}), text)")
    assert code == "E402"
    assert message == f"`{option}` cannot be used in a fuse inside another fuse"
    assert not codes(tmp_path, f"token_fuse(general, maths, {inner})")


def test_weights_at_every_token_may_stand_inside(tmp_path):
    assert not codes(tmp_path, "token_fuse(token_fuse(general, maths, weigh = entropy()), text)")


@pytest.mark.parametrize("outer", ["span_fuse", "byte_fuse"])
def test_a_gate_inside_a_fuse_of_text(tmp_path, outer):
    gated = "token_fuse(general, maths, gate = unsure())"
    ((code, message),) = codes(tmp_path, f"{outer}({gated}, text)")
    assert code == "E402"
    assert message == f"a member of `{outer}` cannot have a `gate`"
    assert not codes(tmp_path, f"handoff({gated}, text, when = doubt())")


@pytest.mark.parametrize("align", ["topk()", "relative()"])
def test_a_draft_of_tokens_that_are_aligned(tmp_path, align):
    ((code, message),) = codes(
        tmp_path, f"token_fuse(general, maths, align = {align}, draft = speculative())"
    )
    assert code == "E402"
    assert message.startswith(f"draft `speculative` cannot be used with align `{align[:-2]}`")
    assert not codes(tmp_path, f"token_fuse(general, maths, align = {align}, draft = safe())")
    assert not codes(tmp_path, "token_fuse(general, maths, align = union(), draft = speculative())")


@pytest.mark.parametrize("option", ["weigh = search()", "weigh = entropy()", "leave = true"])
def test_in_a_formula(tmp_path, option):
    ((code, message),) = codes(tmp_path, f"token_fuse(general + maths - text, {option})")
    assert (code, message) == ("E402", "`leave` and `weigh` cannot be used with a formula")


def test_negative_shares_are_not_weighed_anew(tmp_path):
    fuse = "token_fuse(2 * general - text, normalize = true, weigh = {}())"
    for part in ("entropy", "search"):
        ((code, message),) = codes(tmp_path, fuse.format(part))
        assert (code, message) == ("E402", "`weigh` needs weights of zero or more")


def test_what_is_plausible_is_a_part_of_one(tmp_path):
    ((code, _),) = codes(tmp_path, "token_fuse(general, maths, plausible = 1.5)")
    assert code == "E402"

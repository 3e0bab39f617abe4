"""What a call may cost at most, and that exactly so much is let through."""

import re
import shutil
from pathlib import Path

import pytest

HERE = Path(__file__).parent
MODELS = """
model F = fake("a b c", confidence = 0.5, price = [1000, 2000])
model G = fake(style = echo, price = [500, 500])
model Z = zoo("general-1", price = [1000, 3000])
model Y = zoo("maths", price = [2000, 1000])
model O = zoo("other", price = [1000, 1000])
model M = recorded("kept.jsonl", "small", price = [1000, 5000])
model N = recorded("kept.jsonl", "large")
model J = fake("[[7]]", price = [1, 1])
model E = fake("x")
"""
HEAD = """
use "models.lib" (F, G, Z, Y, O, M, N, J, E)
default generate(max_tokens = 3)
default sample(max_tokens = 3)
"""
RECIPES = {
    "fake": "F",
    "fakes": "[F, G] -> vote(ties = first())",
    "drawn": "sample(F, 2) -> vote(ties = first())",
    "prompted": 'prompt("""{{ query }} {{ query }}""", system = "Be brief.") -> F',
    "zoo": "Z",
    "token_fuse": "token_fuse(Z, Y)",
    "token_fuse_of_prompts": 'token_fuse(prompt("""{{ query }} {{ query }}""") -> Z, Y)',
    "token_fuse_of_one_twice": "token_fuse(Z, token_fuse(Z, Y))",
    "span_fuse": "span_fuse(Z, O)",
    "byte_fuse": "byte_fuse(Z, O)",
    "handoff": "handoff(Z, O)",
    "recorded": "M",
    "recorded_cost": "N",
    "recorded_and_drawn": "sample(M, 2) -> vote(ties = first())",
    "likely": "[M, N] -> rank(Z, Y, by = likely()) -> best()",
    "likely_under_a_fuse": "[M, N] -> rank(token_fuse(Z, Y), by = likely()) -> best()",
    "perplexity": "route -> [Z, Y]",
    "judge": "[M, N] -> rank(J, by = judge(how = grade)) -> best()",
    "select": "[M, N] -> select(F)",
    "regenerate": "[M, N] -> regenerate(F, max_tokens = 5)",
    "cascade": "cascade(G, F, accept = confidence > 0.9)",
    "free": "E",
}


@pytest.fixture
def run(tmp_path, monkeypatch, compose):
    """Answer a question with a recipe for so many dollars; return the status and what is said."""
    monkeypatch.chdir(tmp_path)
    shutil.copy(HERE / "recipes" / "kept.jsonl", tmp_path)
    (tmp_path / "models.lib").write_text(MODELS)

    def answer(recipe, dollars):
        (tmp_path / "r.ens").write_text(f"{HEAD}{recipe}\n")
        question = ("Reverse the word star.", "--no-cache", "--budget", f"{dollars:.6f}")
        status, out, err = compose("run", "r.ens", *question)
        lines = [line for line in err.splitlines() if line.startswith(("query", "spent"))]
        return status, "\n".join([f"{status} {out.rstrip()}", *lines])

    return answer


@pytest.mark.parametrize("name", RECIPES)
def test_a_budget_lets_through_what_it_did_before(name, run, golden):
    said, budget, status = [], 0.0, 1
    while status:
        status, text = run(RECIPES[name], budget)
        said.append(text)
        if short := re.search(r"\$([\d.]+) is spent, and it may cost \$([\d.]+) more", text):
            budget = sum(map(float, short.groups()))
    golden(HERE / "golden" / "budgets" / f"{name}.txt", "\n".join(said))


@pytest.mark.parametrize("name", ["fake", "zoo", "token_fuse", "recorded", "likely"])
def test_a_millionth_of_a_dollar_less_is_refused(name, run):
    kept = (HERE / "golden" / "budgets" / f"{name}.txt").read_text()
    budget = float(re.findall(r"of \$([\d.]+)$", kept, re.MULTILINE)[-1])
    assert run(RECIPES[name], budget)[0] == 0
    status, text = run(RECIPES[name], budget - 1e-6)
    assert (status, "E709" in text) == (3, True)

"""The package that docs/extending.md writes, installed as it says there."""

import json
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import forked
import pytest

PAGE = Path(__file__).parents[2] / "docs" / "extending.md"
MODELS = """use "zoo.ens" (general, maths, other)
model lost = fake(fails = true)
model never = fake(says = "never")
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Write the page's blocks into modules, and its entry points beside them."""
    folder = tmp_path_factory.mktemp("site")
    text = PAGE.read_text(encoding="utf-8")
    modules = {"my_package.py": "", "my_fusing.py": ""}
    for code in re.findall(r"^```(?:python|py)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL):
        named = re.match(r"# (\w+\.py)\n", code)
        modules[named[1] if named else "my_package.py"] += code
    for name, code in modules.items():
        (folder / name).write_text(code, encoding="utf-8")
    (declared,) = re.findall(r"^```toml\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    points = tomllib.loads(declared)["project"]["entry-points"]
    lines = [
        line
        for group, named in points.items()
        for line in (f"[{group}]", *(f"{name} = {where}" for name, where in named.items()))
    ]
    info = folder / "my_package-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: my-package\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("\n".join(lines), encoding="utf-8")
    return folder


@pytest.fixture
def compose(folder):
    """Run the command where the package is installed."""

    def run(verb, recipe, *arguments):
        (folder / "r.ens").write_text(MODELS + recipe, encoding="utf-8")
        environment = {**os.environ, "PYTHONPATH": _paths(folder)}
        return forked.in_words(verb, "r.ens", *arguments, cwd=folder, env=environment)

    return run


def _paths(folder):
    return os.pathsep.join([str(folder), *filter(None, [os.environ.get("PYTHONPATH")])])


def test_a_check_of_its_own_points_to_the_option(compose):
    done = compose("check", "[general, maths] -> nth(3)\n")
    assert done.returncode == 1
    assert "E402" in done.stderr
    assert "there is no answer 3 among 2" in done.stderr
    assert "should be 1 to 2" in done.stderr
    line = next(n for n, each in enumerate(done.stderr.splitlines()) if "nth(3)" in each)
    source, below = done.stderr.splitlines()[line : line + 2]
    assert below.index("^") == source.index("3", source.index("nth("))


def test_a_check_of_its_own_says_nothing_where_nothing_is_wrong(compose):
    assert compose("check", "[general, maths] -> nth(2)\n").returncode == 0


def test_an_alignment_of_its_own_says_which_members_it_takes(compose):
    done = compose("check", "token_fuse(general, other, align = narrow())\n")
    assert "`general` and `other` have different vocabularies" in done.stderr


def test_an_estimator_of_its_own_is_planned_and_drawn(compose):
    recipe = 'route(by = mentions("sum")) -> [maths, general]\n'
    assert 'by = mentions(word = "sum")' in compose("plan", recipe).stdout
    assert 'by = mentions(word = "sum")' in compose("graph", recipe).stdout


def test_a_signal_of_its_own_is_planned_with_the_model_that_it_asks(compose):
    plan = compose("plan", "general -> cascade(other, accept = seconded(by = maths) == 1)\n").stdout
    assert "accept = seconded(by = maths) == 1" in plan
    assert ":= cascade(r1, r2?, maths)" in plan
    done = compose("check", "general -> cascade(other, accept = seconded() == 1)\n")
    assert "`seconded` needs `by`" in done.stderr


def test_graders_of_its_own_grade_rows_and_ask_a_judge(compose, folder):
    graders = ["brief(words = 1)", "brief(words = 0)", 'polite("yes.ens")', 'polite("yes.ens")']
    rows = [{"query": each, "reference": "never", "grader": each} for each in graders]
    rows[3]["query"] = "another"
    (folder / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows[1:]))
    (folder / "yes.ens").write_text('model M = fake(says = "Yes")\nM\n')
    options = ("--data", "rows.jsonl", "--json", "--no-members", "--how", graders[0])
    report = json.loads(compose("eval", "never\n", *options).stdout)
    assert report["accuracy"] == pytest.approx(2 / 3)
    assert report["judging"]["calls"] == 1


RUNS = """
import json, sys
from composer import load

def answers(recipe, *questions):
    path = "run.ens"
    open(path, "w").write(recipe)
    with load(path).ready() as ensemble:
        results = [ensemble(question) for question in questions]
        writers = [node.op for node in ensemble.writers]
        return [[str(each), each.confidence, each.decision, writers] for each in results]

print(json.dumps({name: answers(*each) for name, each in json.load(sys.stdin).items()}))
"""
ASKED = "What is 17 plus 25?"
RECIPES = {
    "alone": "general",
    "leading": "token_fuse(general, maths, weigh = leading(times = 1000000000))",
    "shut": "token_fuse(general, maths, gate = flat(above = 100))",
    "open": "token_fuse(general, maths, gate = flat(above = 0))",
    "fused": "token_fuse(general, maths)",
    "drafted": "token_fuse(general, maths, draft = paired(tokens = 3))",
    "narrow": "token_fuse(general, maths, align = narrow())",
    "seconded": "cascade(general, other, accept = seconded(by = general) == 1)",
    "doubted": "cascade(general, never, accept = seconded(by = never) == 1)",
    "surely": "cascade(general, other, accept = confidence > 0 or seconded(by = lost) == 1)",
    "shortened": "general -> shorten(2)",
    "quadratic": "token_fuse(general, general, combine = quadratic())",
}


@pytest.fixture(scope="module")
def written(folder):
    """What each recipe answers."""
    asked = {name: [f"{MODELS}{recipe}\n", ASKED] for name, recipe in RECIPES.items()}
    routed = f'{MODELS}route(by = mentions("sum")) -> [maths, general]\n'
    asked["routed"] = [routed, "Say the sum of 3 and 4.", "Say hello."]
    done = subprocess.run(
        [sys.executable, "-c", RUNS],
        input=json.dumps(asked),
        cwd=folder,
        env={**os.environ, "PYTHONPATH": _paths(folder)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.parametrize(
    ("name", "same"),
    [
        ("leading", "alone"),
        ("shut", "alone"),
        ("open", "fused"),
        ("drafted", "fused"),
        ("narrow", "fused"),
        ("quadratic", "alone"),
    ],
)
def test_a_part_of_its_own_does_its_work_in_a_fuse(written, name, same):
    ((answer, confidence, *_),) = written[name]
    ((other, surely, *_),) = written[same]
    assert (answer, confidence) == (other, pytest.approx(surely, abs=1e-4))


def test_a_fuse_is_not_as_sure_as_its_first_member(written):
    ((_, fused, *_),), ((_, alone, *_),) = written["fused"], written["alone"]
    assert abs(fused - alone) > 1e-3


def test_a_signal_of_its_own_asks_only_where_it_decides(written):
    assert written["seconded"][0][0] == written["alone"][0][0]
    assert written["doubted"][0][0] == "never"
    assert written["surely"][0][:3] == written["alone"][0][:3]


def test_options_of_a_query_reach_past_a_step_of_its_own(written):
    assert written["shortened"][0][-1] == ["generate"]


def test_an_estimator_of_its_own_decides(written):
    decisions = [decision for _, _, decision, _ in written["routed"]]
    assert decisions == [{"maths": 1.0, "general": 0.0}, {"maths": 0.0, "general": 1.0}]

"""`compose check`, `plan`, `explain`, `ls`: what they print, and what they leave alone."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from composer.cli import main
from composer.cli.verbs import VERBS
from composer.diagnostics import CODES
from composer.methods import parts
from composer.steps import STEPS

GOOD = 'model A = fake(says = "a")\nmodel B = fake(says = "b")\nlet x = [[A], B]\nx -> vote()\n'
BAD = "model A = fake()\n[A, B] -> vote(tise = first())\nlet x = voet()\n"
WARNED = "model A = fake()\nmodel B = fake()\nA\n"


@pytest.fixture
def compose(tmp_path, monkeypatch, capfd):
    """Run the command in this process; return its exit status, what it prints and what it says."""
    monkeypatch.chdir(tmp_path)
    for name, text in {"good": GOOD, "bad": BAD, "warned": WARNED}.items():
        Path(f"{name}.ens").write_text(text)

    def call(*arguments):
        with pytest.raises(SystemExit) as caught:
            main(arguments)
        out, err = capfd.readouterr()
        return caught.value.code, out, err

    return call


def test_a_good_recipe_has_no_mistakes(compose):
    assert compose("check", "good.ens") == (0, "good.ens: no mistakes\n", "")


def test_all_mistakes_are_drawn_at_once(compose):
    status, out, err = compose("check", "bad.ens")
    assert (status, out) == (1, "bad.ens: 3 mistakes\n")
    assert [err.count(f"error[{code}]") for code in ("E201", "E203", "E202")] == [1, 1, 1]


def test_warnings_do_not_fail_a_check(compose):
    status, out, err = compose("check", "warned.ens")
    assert (status, out) == (0, "warned.ens: 1 warning\n")
    assert "warning[W201]" in err


def test_several_recipes_are_checked_and_one_fails_all(compose):
    status, out, _ = compose("check", "good.ens", "bad.ens", "warned.ens")
    assert status == 1
    assert out.splitlines() == [
        "good.ens: no mistakes",
        "bad.ens: 3 mistakes",
        "warned.ens: 1 warning",
    ]


def test_mistakes_as_json(compose):
    status, out, err = compose("check", "bad.ens", "--json")
    told = json.loads(out)
    assert (status, err, told["version"], told["recipes"]) == (1, "", 1, ["bad.ens"])
    (option,) = (each for each in told["diagnostics"] if each["code"] == "E203")
    assert (option["file"], option["line"], option["column"]) == ("bad.ens", 2, 16)
    assert (option["severity"], option["help"]) == ("error", "did you mean `ties`?")
    assert (option["end_line"], option["end_column"]) == (2, 20)


def test_no_mistakes_as_json(compose):
    status, out, _ = compose("check", "good.ens", "--json")
    assert (status, json.loads(out)["diagnostics"]) == (0, [])


def test_a_setting_is_checked_too(compose):
    assert compose("check", "good.ens", "--set", "x=1")[0] == 1
    assert compose("check", "good.ens", "--set", "model.A.says=7")[0] == 1


def test_a_recipe_that_is_not_there(compose):
    status, _, err = compose("check", "none.ens")
    assert status == 1
    assert "error[E501]" in err


def test_a_recipe_that_is_no_text(compose):
    Path("bytes.ens").write_bytes(b"\xff\xfe")
    status, _, err = compose("check", "bytes.ens")
    assert status == 1
    assert "error[E503]" in err


def test_a_folder_is_no_recipe(compose):
    Path("folder.ens").mkdir()
    status, _, err = compose("check", "folder.ens")
    assert status == 1
    assert "error[E50" in err
    assert "Traceback" not in err


def test_a_plan_for_people_and_for_programs(compose):
    status, out, err = compose("plan", "good.ens")
    assert (status, err) == (0, "")
    assert out.startswith("plan of good.ens\n")
    assert "lone_branch" in out
    status, out, err = compose("plan", "good.ens", "--json")
    told = json.loads(out)
    assert (told["version"], [model["name"] for model in told["models"]]) == (1, ["A", "B"])


def test_a_plan_of_mistakes_is_none(compose):
    status, out, err = compose("plan", "bad.ens")
    assert (status, out) == (1, "")
    assert err.splitlines()[-1] == "3 mistakes"


def test_a_library_has_no_plan(compose):
    Path("library.ens").write_text("model A = fake()\n")
    status, out, err = compose("plan", "library.ens")
    assert (status, out) == (1, "")
    assert "error[E207]" in err


def test_the_plan_after_each_pass(compose):
    status, out, _ = compose("explain", "good.ens")
    assert status == 0
    headings = [line for line in out.splitlines() if not line.startswith(" ") and line]
    assert headings == [
        "as written",
        "pass meaning",
        "pass drop: no rule applies",
        "pass flatten: no rule applies",
        "pass share: no rule applies",
    ]


@pytest.mark.parametrize("code", CODES)
def test_every_code_is_explained(compose, code):
    status, out, _ = compose("explain", code)
    assert status == 0
    assert out.startswith(f"{code}: ")


@pytest.mark.parametrize("step", [name for name, each in STEPS.items() if not each.sign])
def test_every_step_is_explained(compose, step):
    status, out, _ = compose("explain", "step", step)
    assert status == 0
    assert out.startswith(step)


@pytest.mark.parametrize("part", sorted({name for named in parts().values() for name in named}))
def test_every_part_is_explained(compose, part):
    status, out, _ = compose("explain", "part", part)
    assert status == 0
    assert out.startswith(part)


@pytest.mark.parametrize(("slip", "meant"), [("votes", "step `vote`"), ("knnn", "part `knn`")])
def test_a_slip_of_a_name_gets_the_name_that_was_meant(compose, slip, meant):
    status, _, err = compose("explain", slip)
    assert status == 2
    assert f"nothing is called `{slip}`: did you mean the {meant}?" in err


def test_what_cannot_be_explained_is_wrong_usage(compose):
    for what in (["E999"], ["step", "voet"], ["part", "rogue"], ["step", "a", "b"]):
        status, out, err = compose("explain", *what)
        assert (status, out) == (2, "")
        assert "Traceback" not in err
    assert "did you mean `vote`?" in compose("explain", "step", "voet")[2]


@pytest.mark.parametrize("what", ["steps", "parts", "models", "recipes"])
def test_lists_for_people_and_for_programs(compose, what):
    status, out, err = compose("ls", what)
    assert (status, err) == (0, "")
    rows = json.loads(compose("ls", what, "--json")[1])
    assert len(rows) == len(out.splitlines())
    assert all(
        line.startswith(row["name"]) for line, row in zip(out.splitlines(), rows, strict=True)
    )
    assert all("about" in row for row in rows)


def test_only_steps_that_are_written_by_name_are_listed(compose):
    names = [row["name"] for row in json.loads(compose("ls", "steps", "--json")[1])]
    assert "vote" in names
    assert not {"bank", "choose", "model", "prompted", "weigh"} & set(names)


def test_all_models_of_the_zoo_are_listed(compose):
    names = [row["name"] for row in json.loads(compose("ls", "models", "--json")[1])]
    assert {'zoo("maths")', 'zoo_reward("steps-reward")'} <= set(names)


def test_an_unknown_list_is_wrong_usage(compose):
    assert compose("ls", "stepps")[0] == 2
    assert "did you mean `parts`?" in compose("ls", "part")[2]
    assert "`compose explain grader` lists them" in " ".join(compose("ls", "graders")[2].split())


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_has_help(compose, verb):
    status, out, _ = compose(verb, "--help")
    assert status == 0
    assert out.startswith("Usage: compose")


def test_help_lists_every_verb(compose):
    status, out, _ = compose("--help")
    assert status == 0
    assert all(f"  {verb} " in out for verb in VERBS)


def test_an_unknown_verb_is_wrong_usage(compose):
    status, _, err = compose("chekc", "good.ens")
    assert status == 2
    assert "`check`" in err


def test_the_version_is_told(compose):
    status, out, _ = compose("--version")
    assert status == 0
    assert out.startswith("compose")


HEAVY = ("torch", "transformers", "networkx", "numpy", "sklearn", "scipy")


def loaded_by(*verbs):
    """Run verbs one after the other in a process; return what each is the first to import."""
    code = (
        "import sys\nfrom composer.cli import main\nbefore = set()\n"
        f"for verb in {verbs!r}:\n"
        "    try:\n        main(verb)\n    except SystemExit:\n        pass\n"
        "    print('\\n' + ' '.join(verb), *{*sys.modules} - before, sep='\\t')\n"
        "    before = {*sys.modules}"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    told = [line.split("\t") for line in done.stdout.splitlines()]
    return {line[0]: {*line[1:]} for line in told if tuple(line[0].split()) in verbs}


def test_short_verbs_import_nothing_heavy(compose):
    verbs = (
        ("check", "good.ens"),
        ("check", "bad.ens"),
        ("plan", "good.ens"),
        ("explain", "good.ens"),
        ("explain", "E301"),
        ("explain", "step", "route"),
        ("ls", "steps"),
        ("ls", "parts"),
        ("ls", "models"),
        ("ls", "recipes"),
    )
    loaded = loaded_by(*verbs)
    assert len(loaded) == len(verbs)
    assert "composer.cli.plan_" in loaded["plan good.ens"]
    assert not {verb: names & set(HEAVY) for verb, names in loaded.items() if names & set(HEAVY)}


def test_a_check_of_local_models_imports_nothing_heavy(compose):
    Path("zoo.ens").write_text('model P = zoo("maths")\nmodel Q = zoo("text")\ntoken_fuse(P, Q)\n')
    loaded = loaded_by(("check", "zoo.ens"), ("plan", "zoo.ens"))
    assert len(loaded) == 2
    assert not {"torch", "networkx"} & set.union(*loaded.values())


ROUTE = """model A = fake("a")
model B = fake("b")
route(by = knn({data})) -> [gpt-4: A, llama: B]
"""


def test_a_part_that_must_be_fitted_is_named_beside_the_verdict_and_in_the_plan(compose):
    Path("route.ens").write_text(ROUTE.format(data=""))
    assert compose("check", "route.ens")[:2] == (
        0,
        "route.ens: no mistakes; not fitted yet: `knn` (`compose fit`)\n",
    )
    plan = compose("plan", "route.ens")[1]
    assert "not fitted yet\n  r1: by = knn\n  run `compose fit route.ens --data FILE`" in plan


@pytest.mark.parametrize("by", ['knn("rows.jsonl")', 'mix("rows.jsonl")'])
def test_outcomes_of_other_names_are_a_mistake_before_a_run(compose, by):
    rows = [
        {"query": q, "recorded": {"gpt-4": {"correct": True}, "lama": {"score": 0.5}}} for q in "ab"
    ]
    Path("rows.jsonl").write_text("\n".join(map(json.dumps, rows)))
    Path("route.ens").write_text(ROUTE.format(data="").replace("knn()", by))
    status, _, err = compose("check", "route.ens")
    assert status == 1
    assert "no recorded outcome of `llama`" in err
    assert "did you mean `lama`?" in err
    Path("rows.jsonl").write_text("\n".join(map(json.dumps, rows)).replace("lama", "llama"))
    assert compose("check", "route.ens")[0] == 0

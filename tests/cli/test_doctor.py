import json
import pwd
from importlib import metadata

import pytest
from click.testing import CliRunner

from composer.backends.hf import HF
from composer.backends.zoo import Zoo
from composer.backends.zoo_seq2seq import ZooSeq2Seq
from composer.cli import health, timing
from composer.cli.health import Health, examine
from composer.cli.verbs import compose
from composer.run import Failure
from composer.specs import Declared
from composer.specs.shapes import shape_of
from composer.values.timings import ShapeTimings, StackedTime, read_timings

MEASURE = timing.measure

PAIR = StackedTime(seconds=0.004, apart=0.006)

TIMES = ShapeTimings(
    shape="ab", device="cpu", name="A", decode={1: 0.004, 2: 0.0025}, stacked={2: {1: PAIR}}
)


@pytest.fixture(autouse=True)
def calm(monkeypatch, tmp_path):
    """No model is asked and nothing of this machine's caches is seen."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.delenv("HF_HOME", raising=False)
    found = {"models": ["general-1"], "asked": "general-1", "answer": "42", "seconds": 0.1}
    monkeypatch.setattr(health, "zoo", lambda _: found)
    monkeypatch.setattr(health, "sandbox", lambda _: {})
    monkeypatch.setattr(health, "threads", lambda _: {"cores": 2, "torch": 2})
    monkeypatch.setattr(timing, "measure", lambda *_: (TIMES,))


def doctor(*arguments):
    return CliRunner().invoke(compose, ["doctor", *arguments], standalone_mode=False)


def test_a_sound_machine_has_no_problems():
    result = doctor()
    assert result.return_value == 0
    assert result.stdout.endswith("no problems\n")


def test_every_section_is_told():
    lines = doctor().stdout.splitlines()
    assert {"versions", "devices", "threads", "zoo", "environment", "caches"} <= set(lines)


def test_it_says_what_the_sandbox_can_hold(monkeypatch):
    walls = {"network": "no namespaces", "folder": None}
    monkeypatch.setattr(health, "sandbox", lambda _: walls)
    assert "network  cannot be held: no namespaces\n  folder   held" in doctor().stdout
    assert json.loads(doctor("--json").stdout)["sandbox"]["network"] == "no namespaces"
    assert examine().problems == []


def test_json_is_versioned_and_whole():
    found = json.loads(doctor("--json").stdout)
    assert found["version"] == 1
    assert found["versions"]["torch"] == metadata.version("torch")
    assert found["devices"][0]["name"] == "cpu"
    assert found["problems"] == []


def test_keys_are_told_by_name_only(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "sk-very-secret")
    assert json.loads(doctor("--json").stdout)["environment"]["OPENAI_API_KEY"] is True
    assert "very-secret" not in doctor().stdout + doctor("--json").stdout


def test_a_package_that_is_missing_is_a_problem_with_a_remedy(monkeypatch):
    version = health._version
    monkeypatch.setattr(health, "_version", lambda name: None if name == "lark" else version(name))
    result = doctor()
    assert result.return_value == 1
    assert "lark is not installed\n    = help: pip install lark" in result.stdout


def test_a_version_out_of_range_is_a_problem(monkeypatch):
    monkeypatch.setattr(health, "_version", lambda _: "0.0.1")
    assert any("0.0.1" in each.what for each in examine().problems)


def test_what_cannot_be_looked_at_is_a_problem(monkeypatch):
    def broken(_):
        raise RuntimeError("the driver is gone")

    monkeypatch.setattr(health, "devices", broken)
    found = examine()
    assert found.sections["devices"] is None
    assert "the driver is gone" in found.problems[0].what


def test_a_device_that_torch_does_not_see_is_a_problem(monkeypatch):
    from composer.compiler import plan

    monkeypatch.setattr(plan, "devices", lambda: (plan.Device("cuda:7", 1),))
    found = Health()
    health.devices(found)
    assert "cuda:7" in found.problems[0].what


def test_a_cache_has_the_size_of_its_files(tmp_path):
    folder = tmp_path / "ensemble-composer"
    folder.mkdir()
    (folder / "answers").write_bytes(b"12345")
    (folder / "loop").symlink_to(folder)
    assert health.caches(Health())[0]["bytes"] == 5


def test_measured_times_are_saved_for_plans():
    result = doctor("--measure")
    assert read_timings().timings.of("ab", "cpu") == TIMES
    assert "on cpu, ms for a token, by rows: 1: 4.00, 2: 2.50" in result.stdout
    assert "2 stacked members: 1.50 times faster with 1 row" in result.stdout
    assert "by rows: 1: 4.00, 2: 2.50" in doctor().stdout


def test_measuring_tells_nothing_but_json_on_stdout():
    found = json.loads(doctor("--measure", "--json").stdout)["timings"]
    assert found["shapes"][0]["decode"] == {"1": 0.004, "2": 0.0025}


def test_a_doctor_says_where_no_times_are_saved():
    assert "not used  no timings are saved for this machine: run" in doctor().stdout


def test_with_a_recipe_its_own_models_are_measured(monkeypatch, tmp_path):
    seen = []
    monkeypatch.setattr(timing, "measure", lambda models, _: seen.extend(models) or (TIMES,))
    recipe = tmp_path / "two.ens"
    recipe.write_text("""model A = zoo("maths")
model B = zoo("large")
model C = zoo("text")
[A, B] -> vote()
""")
    assert list(json.loads(doctor("--measure", "--json", str(recipe)).stdout)) == [
        "version",
        "timings",
        "problems",
    ]
    assert [(each.name, each.weights.device) for each in seen] == [("A", "cpu"), ("B", "cpu")]


def test_kept_answers_are_told_with_their_place_size_and_bound(tmp_path, monkeypatch):
    monkeypatch.setenv("COMPOSE_CACHE_SIZE", "5 MB")
    file = tmp_path / "ensemble-composer" / "answers.sqlite"
    file.parent.mkdir()
    file.write_bytes(b"12345")
    found = {each["name"]: each for each in health.caches(Health())}["kept answers"]
    assert (found["path"], found["bytes"], found["bound"]) == (str(file), 5, 5_000_000)
    said = doctor().stdout
    assert "at most" in said
    assert "to empty one" in said


def test_a_user_without_a_home_has_a_problem_with_a_remedy(monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", "")
    monkeypatch.delenv("HOME", raising=False)
    monkeypatch.setattr(pwd, "getpwuid", {}.__getitem__)
    result = doctor("--measure")
    assert isinstance(result.exception, Failure)
    assert "there is no cache folder: there is no home folder" in doctor().stdout


def test_timings_lie_in_the_users_cache(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "kept"))
    file, _ = timing.save((TIMES,))
    assert file == tmp_path / "kept" / "ensemble-composer" / "timings.json"


def test_new_times_are_added_to_those_that_hold():
    other = TIMES.model_copy(update={"shape": "cd"})
    timing.save((TIMES,))
    faster = TIMES.model_copy(update={"decode": {1: 0.001}})
    _, timings = timing.save((other, faster))
    assert timings == read_timings().timings
    assert timings.shapes == (other, faster)


def test_passes_are_measured_by_rows_and_tokens_and_members_stacked_and_apart(monkeypatch):
    for name, value in {"STEPS": 1, "WARM": 0, "ROWS": (1, 2), "TOKENS": (2, 5)}.items():
        monkeypatch.setattr(timing, name, value)
    models = [Declared(n, Zoo(model=n, device="cpu")) for n in ("text", "maths", "large", "text")]
    pair, large = MEASURE(models)
    assert (pair.shape, pair.name, large.name) == (shape_of(models[0], "cpu"), "text", "large")
    assert set(pair.decode) == {1, 2}
    assert {rows: set(each) for rows, each in pair.verify.items()} == {1: {2, 5}, 16: {2, 5}}
    assert set(pair.stacked) == {2}
    assert set(pair.stacked[2]) == {1, 4, 16}
    assert large.stacked == {}


def test_what_is_not_measured_is_told_with_the_reason():
    told = []
    found = MEASURE(
        [
            Declared("A", HF(path="nobody/nothing", device="cpu")),
            Declared("B", Zoo(model="general-1", adapter="text-lora", device="cpu")),
            Declared("C", ZooSeq2Seq(model="rewriter", device="cpu")),
        ],
        told.append,
    )
    assert found == ()
    assert [each.partition(",")[0] for each in told if each.startswith("not")] == [
        "not measured: A",
        "not measured: B",
        "not measured: C",
    ]

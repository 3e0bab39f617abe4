"""Teachers that only write texts: servers and others, asked once for each question."""

import json
import urllib.request
from pathlib import Path

import pytest
from safetensors.torch import load_file
from small_server import serving

from composer import zoo
from composer.backends.fake import Fake
from composer.build.answers import collect_answers
from composer.cli import main
from composer.methods.distillation.objectives import TeacherAnswers
from composer.specs import Declared
from composer.values import ModelError, Query

ASKED = [Query.of(f"Question {n}?") for n in range(5)]


def says(text, **options):
    return Declared(text, Fake(says=text, **options))


@pytest.fixture
def ask(tmp_path):
    told = []

    def call(*teachers, n=1):
        objective = TeacherAnswers(n=n)
        return collect_answers(
            teachers, ASKED, objective, lambda: None, tmp_path, told.append
        ), told

    return call


def test_each_teacher_answers_each_question(ask):
    pairs, told = ask(says("a"), says("b"), n=2)
    assert [(query.text, text) for query, text in pairs[:4]] == [
        ("Question 0?", "a"),
        ("Question 0?", "a"),
        ("Question 1?", "a"),
        ("Question 1?", "a"),
    ]
    assert len(pairs) == 20
    assert told == ["teachers have answered 10 of 10 questions"]


def test_what_was_answered_is_not_asked_again(ask, tmp_path):
    pairs, told = ask(says("a"))
    lines = (tmp_path / "answers.jsonl").read_text().splitlines()
    assert len(lines) == 5
    (tmp_path / "answers.jsonl").write_text("\n".join([*lines[:2], lines[2][:20]]))
    again, _ = ask(says("a"))
    assert again == pairs
    assert told[-1] == "teachers have answered 3 of 3 questions"


def test_an_answer_without_a_text_is_left_out(ask):
    assert {text for _, text in ask(says(" "), says("b"))[0]} == {"b"}


def test_teachers_that_write_nothing_teach_nothing(ask):
    with pytest.raises(ModelError, match="no teacher has answered"):
        ask(says(" "))


def test_a_failure_keeps_what_came_before(ask, tmp_path):
    with pytest.raises(ModelError):
        ask(says("a"), says("b", fails=True))
    assert (tmp_path / "answers.jsonl").read_text().count('"teacher": 0') >= 1


def test_a_student_learns_what_a_server_writes(tmp_path, monkeypatch, capfd):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    rows = zoo.items("validation").read_text(encoding="utf-8").splitlines()[:300:25]
    Path("asked.jsonl").write_text(
        "".join(json.dumps({"query": json.loads(row)["query"]}) + "\n" for row in rows)
    )
    with serving(zoo.folder("tune-maths")) as url:
        Path("r.ens").write_text(
            f'model S = zoo("general-1")\nmodel T = endpoint("tune-maths", url = "{url}", probe = '
            'false, abilities = [chat: true])\ndistill(S, T, corpus = "asked.jsonl", learn = '
            "answers(max_tokens = 8), training = adamw(rate = 1e-3, batch = 4, checks = 1))\n"
        )
        with pytest.raises(SystemExit) as left:
            main(["build", "r.ens", "--json"])
        out, err = capfd.readouterr()
        assert left.value.code == 0, err
        with urllib.request.urlopen(url.removesuffix("/v1") + "/stats") as reply:
            stats = json.load(reply)
    assert f"teachers have answered {len(rows)} of {len(rows)} questions" in err
    assert stats
    trained = load_file(Path(json.loads(out)["built"][0]["folder"]) / "model.safetensors")
    assert trained.keys() == load_file(zoo.folder("general-1") / "model.safetensors").keys()

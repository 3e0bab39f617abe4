import subprocess
import sys
import time
from concurrent.futures import wait

import pytest
from fusing import Job, SpanFuse, TokenFuse, ask_score, stored

from composer.engine.engine import Engine
from composer.engine.pool import weight_bytes
from composer.values import ModelError, Sampling

LIGHT = ["composer.engine", "composer.engine.sessions.span_fuse", "composer.engine.generation"]
LIGHT += ["composer.specs", "composer.backends.hf", "composer.checkpoints.vocabulary"]


def job(member, text="Lily", **how):
    return Job(member, ((("user", text),),), Sampling(**{"max_tokens": 8, **how}))


def test_light_modules_load_no_torch():
    code = (
        "import sys\nfrom importlib import import_module\nfor name in sys.argv[1:]:\n"
        "    import_module(name)\n"
        "    assert not {'torch', 'transformers'} & set(sys.modules), name"
    )
    subprocess.run([sys.executable, "-c", code, *LIGHT], check=True)


def test_a_closed_engine_takes_no_jobs(model):
    engine = Engine()
    engine.close()
    engine.close()
    with pytest.raises(ModelError, match="closed"):
        engine.generate(job(model("stories")))


def test_closing_fails_what_is_under_way(model):
    with Engine() as engine:
        future = engine.generate(job(model("rwkv"), max_tokens=10**6))
        time.sleep(0.2)
    with pytest.raises(ModelError, match="closed"):
        future.result(5)


def test_more_jobs_than_rows_wait_for_their_turn(model, write):
    with Engine(rows=2) as engine:
        prompts = ["Lily", "Tom", "One day", "The dog", "A cat"]
        futures = [engine.generate(job(model("stories"), p)) for p in prompts]
        made = [future.result(60).text for future in futures]
    assert made == [write(model("stories"), p, max_tokens=8).text for p in prompts]


def test_models_that_do_not_fit_together_take_turns(model, write):
    names = ["stories", "rwkv", "shakespeare"]
    room = max(weight_bytes(model(name), "cpu") for name in names) + 1000
    with Engine({"cpu": room}) as engine:
        futures = [engine.generate(job(model(name))) for name in [*names, *names]]
        made = [future.result(60).text for future in futures]
        assert len(engine._pool.runners()) == 1
    assert made == [write(model(name), "Lily", max_tokens=8).text for name in [*names, *names]]


def test_a_group_that_cannot_be_in_memory_at_once_is_an_error(model):
    members = model("stories"), model("rwkv")
    room = weight_bytes(members[1], "cpu") + 1000
    with Engine({"cpu": room}) as engine:
        for fuse in (TokenFuse(members, ("a", "b")), SpanFuse(members, ("a", "b"))):
            with pytest.raises(ModelError, match="not enough memory for"):
                engine.generate(job(fuse)).result(60)
        assert engine.generate(job(members[0])).result(60).text


def test_a_model_that_is_not_there_fails_its_own_job_only(model, engine):

    absent = stored("absent", "absent", "/nowhere")
    good = engine.generate(job(model("stories")))
    with pytest.raises(ModelError, match="absent"):
        engine.generate(job(absent)).result(60)
    assert good.result(60).text


def test_a_failing_pass_fails_only_the_rows_that_fail_alone(engine, model, write, monkeypatch):
    write(model("stories"), "Lily", max_tokens=1)
    (runner,) = engine._pool.get([model("stories")])
    step = runner.forward
    bad = runner.model.vocabulary.encode("Zebra")[-1]

    def fail(feeds, **how):
        if any(bad in feed.ids for feed in feeds):
            raise RuntimeError("out of memory")
        return step(feeds, **how)

    monkeypatch.setattr(runner, "forward", fail)
    many = [engine.generate(job(model("stories"), p)) for p in ("Lily", "Zebra", "Tom")]
    wait(many)
    assert [future.exception() is None for future in many] == [True, False, True]
    monkeypatch.undo()
    assert many[0].result().text == write(model("stories"), "Lily", max_tokens=8).text


def test_usage_goes_by_the_name_that_was_asked(engine, model):
    from dataclasses import replace

    other = replace(model("stories"), name="nickname")
    assert set(engine.generate(job(model("stories"))).result(60).usage) == {"stories"}
    assert set(engine.generate(job(other)).result(60).usage) == {"nickname"}


def test_jobs_of_all_kinds_share_the_engine(engine, model, write):
    a, r = model("stories"), model("rwkv")
    kinds = [a, r, TokenFuse((a, r), ("a", "r")), SpanFuse((a, r), ("a", "r"))] * 3
    futures = [engine.generate(job(kind, max_tokens=12)) for kind in kinds]
    score = ask_score(engine, a, None, "Lily was happy.")
    gone = [engine.generate(job(kind, max_tokens=200)) for kind in kinds]
    for future in gone[::2]:
        future.cancel()
    made = [future.result(120).text for future in futures]
    assert made == [write(kind, "Lily", max_tokens=12).text for kind in kinds[:4]] * 3
    assert score.result(60).total < 0
    wait([future for future in gone if not future.cancelled()])
    write(a, "Lily", max_tokens=1)
    assert all(runner.idle for runner in engine._pool.runners())

"""Adapters over one base in memory: rows of one batch, each as a merged copy would read it."""

import json
from pathlib import Path

import pytest
import torch
from fusing import Job, TokenFuse, checkpoint
from lora import save_adapter, save_merged
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM

from composer import zoo as packaged
from composer.engine.engine import Engine
from composer.engine.weights.adapters import NONE, Adapters
from composer.values import ModelError, Sampling

BASE = Path(packaged.folder("general-1"))
QUESTIONS = ("Add 17 and 25.", "What is the plural of cat?", "Reverse the word house.")
KINDS = {
    "plain": {},
    "ranks": {
        "rank": 6,
        "use_rslora": True,
        "layers": ["q_proj", "k_proj", "up_proj"],
        "rank_pattern": {"k_proj": 2},
        "alpha_pattern": {"layers.1.self_attn.k_proj": 3.0},
    },
    "head": {"whole": ["lm_head"]},
    "embedding": {"layers": ["embed_tokens", "o_proj"]},
    "output": {"layers": ["lm_head", "v_proj"]},
}


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Folders of adapters by their kind."""
    folder = tmp_path_factory.mktemp("adapters")
    return {
        kind: save_adapter(BASE, folder / kind, seed=n, **options)
        for n, (kind, options) in enumerate(KINDS.items())
    }


@pytest.fixture(scope="module")
def merged(made, tmp_path_factory):
    """Folders of copies into which adapters are merged."""
    folder = tmp_path_factory.mktemp("merged")
    return {kind: save_merged(BASE, made[kind], folder / kind) for kind in ("plain", "ranks")}


@pytest.fixture(scope="module")
def engine():
    """An engine of this file's own, in which all adapters are loaded over one base."""
    with Engine() as opened:
        yield opened


@pytest.fixture(scope="module")
def ours(made):
    """The base, and models of it with adapters."""
    return [checkpoint("base", BASE), *(adapted(made[kind], kind) for kind in ("plain", "ranks"))]


@pytest.fixture(scope="module")
def theirs(merged):
    """The same models without adapters."""
    return [checkpoint("base", BASE), *(checkpoint(k, folder) for k, folder in merged.items())]


def base_module():
    return AutoModelForCausalLM.from_pretrained(BASE, dtype=torch.float32).eval()


def adapted(folder, name="adapted", **options):
    return checkpoint(name, BASE, adapter=str(folder), **options)


def answers(engine, models, questions=QUESTIONS):
    jobs = [Job(m, [(("user", q),)], Sampling(max_tokens=6)) for m in models for q in questions]
    futures = [engine.generate(job) for job in jobs]
    return [future.result().text for future in futures]


def at_once(engine, models):
    """Answers to one question, of which all begin in one step."""
    jobs = [Job(m, [(("user", QUESTIONS[0]),)], Sampling(max_tokens=6)) for m in models]
    tasks = [engine.task(job, None) for job in jobs]
    engine.begin(tasks)
    return [task.future.result().text for task in tasks]


def load(engine, models):
    for model in models:
        engine.load(model).result()
    return engine._pool.get(models)


@pytest.mark.slow
@torch.no_grad()
def test_each_kind_computes_what_peft_computes(made):
    import warnings

    with warnings.catch_warnings(action="ignore"):
        from peft import PeftModel

        ids = torch.tensor([[5, 6, 7, 8], [9, 10, 11, 50]])
        module = base_module()
        adapters = Adapters(module)
        for folder in made.values():
            with adapters.use([adapters.add(folder)]):
                ours = module(ids).logits
            theirs = PeftModel.from_pretrained(base_module(), folder).eval()(ids).logits
            assert (ours - module(ids).logits).abs().max() > 0.1
            torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-4)


@torch.no_grad()
def test_each_row_of_a_batch_has_its_own_adapter(made):
    module = base_module()
    adapters = Adapters(module)
    numbers = [NONE, *(adapters.add(folder) for folder in made.values())]
    ids = torch.tensor([[5, 6, 7, 8]] * len(numbers))
    with adapters.use(numbers):
        together = module(ids).logits
    for number, row in zip(numbers, together, strict=True):
        with adapters.use([number]):
            torch.testing.assert_close(row, module(ids[:1]).logits[0], rtol=1e-4, atol=1e-4)


def test_an_adapter_that_is_added_again_has_its_number_of_before(made):
    adapters = Adapters(base_module())
    first = adapters.add(made["plain"])
    assert (adapters.add(made["ranks"]), adapters.add(made["plain"])) == (first + 1, first)


def test_answers_are_those_of_merged_copies_alone_and_in_a_batch(engine, ours, theirs):
    expected = answers(engine, theirs)
    assert answers(engine, ours) == expected
    assert [text for model in ours for text in answers(engine, [model])] == expected


def test_models_of_one_base_have_one_set_of_weights_and_share_passes(engine, ours, monkeypatch):
    (runner,) = {id(r): r for r in load(engine, ours)}.values()
    assert runner.mixed
    passes = []
    real = runner.rows.forward
    monkeypatch.setattr(runner.rows, "forward", lambda f: passes.append(len(f)) or real(f))
    at_once(engine, ours)
    assert passes[0] == len(ours)


def test_rows_that_cannot_share_passes_are_read_apart_with_the_same_answers(
    engine, ours, monkeypatch
):
    expected = answers(engine, ours)
    (runner, *_) = load(engine, ours)
    monkeypatch.setattr(runner, "mixed", False)
    assert answers(engine, ours) == expected


def test_what_one_adapter_has_read_is_not_taken_over_by_another(engine, ours, theirs):
    """The same prompt, one model after the other: kept rows are those of one adapter."""
    prompt = "Q: " + "What is 3 plus 4? " * 6
    texts = [
        [
            answers(engine, [model], (text,))
            for model in models
            for text in (prompt, prompt + "And?")
        ]
        for models in (ours, theirs)
    ]
    assert texts[0] == texts[1]


def test_draws_of_unlike_adapters_do_not_share_the_reading_of_a_prompt(engine, ours, theirs):
    load(engine, ours)
    assert at_once(engine, ours) == at_once(engine, theirs)


@pytest.mark.parametrize("together", [True, False])
def test_a_fuse_of_adapters_is_the_fuse_of_their_merged_copies(engine, ours, theirs, together):
    fuses = [TokenFuse(tuple(m), ("a", "b", "c"), together=together) for m in (ours, theirs)]
    assert answers(engine, fuses[:1]) == answers(engine, fuses[1:])


def test_an_adapter_with_numbers_that_are_not_finite_is_refused(made, tmp_path):
    folder = copied(made["plain"], tmp_path / "bad")
    tensors = load_file(folder / "adapter_model.safetensors")
    name = next(iter(tensors))
    tensors[name][0, 0] = torch.nan
    save_file(tensors, folder / "adapter_model.safetensors")
    with pytest.raises(ModelError, match="not finite") as told:
        Adapters(base_module()).add(folder)
    assert name in told.value.message


def test_an_adapter_of_another_shape_is_refused_when_it_is_loaded(engine, tmp_path):
    wide = save_adapter(packaged.folder("large"), tmp_path / "wide")
    with pytest.raises(ModelError, match="does not fit") as told:
        engine.load(adapted(wide)).result()
    assert told.value.code == "E515"


def test_the_base_answers_though_an_adapter_cannot_be_loaded(engine, made, tmp_path):
    folder = copied(made["plain"], tmp_path / "bad")
    (folder / "adapter_model.safetensors").unlink()
    with pytest.raises(ModelError):
        engine.load(adapted(folder)).result()
    assert answers(engine, [checkpoint("base", BASE)])[0] == " 42"


def test_the_pool_counts_a_base_once(made):
    from composer.engine.pool import adapter_bytes, weight_bytes

    model = adapted(made["plain"])
    own = json.loads((BASE / "card.json").read_text())["parameters"]
    count = sum(t.numel() for t in load_file(made["plain"] / "adapter_model.safetensors").values())
    assert (weight_bytes(model, "cpu"), adapter_bytes(model, "cpu")) == (4 * own, 4 * count)
    with Engine({"cpu": 4 * (own + count) + 100}) as engine:
        answers(engine, [model], QUESTIONS[:1])
        with pytest.raises(ModelError) as told:
            engine.load(adapted(made["ranks"])).result()
        assert told.value.code == "E601"


def copied(folder, into):
    into.mkdir()
    for file in folder.iterdir():
        (into / file.name).write_bytes(file.read_bytes())
    return into

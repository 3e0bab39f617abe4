import math

import pytest
import torch
from fusing import Job, Part, SpanFuse, TokenFuse

from composer.values import ModelError, Sampling

PROMPTS = ["Once upon a time", "Lily", "The big dog ran to the park and", "Tom said:", "One day"]


def by_hand(plain, greedy, solo, text, how_many):
    one = plain(solo)
    prompt = one.prompt(text)
    ids = greedy(lambda written: one.after(prompt + written), how_many, one.local.ends)
    return one.local.vocabulary.bytes_of(ids).decode(errors="replace")


@pytest.mark.parametrize("name", ["stories", "maths", "rwkv"])
def test_cached_equals_plain_loop(model, plain, greedy, write, name):
    expected = by_hand(plain, greedy, model(name), "Once upon a time", 24)
    assert len(expected) > 5
    assert write(model(name), "Once upon a time").text.startswith(expected)


@pytest.mark.parametrize("name", ["general-1", "text", "other"])
def test_zoo_models_equal_plain_loop(zoo, plain, greedy, write, name):
    question = "What is 12 plus 30?"
    expected = by_hand(plain, greedy, zoo(name), question, 12)
    assert write(zoo(name), question, max_tokens=12).text.startswith(expected)


@pytest.mark.parametrize("name", ["stories", "rwkv"])
def test_batch_equals_single(engine, model, write, name):
    jobs = [Job(model(name), ((("user", p),),), Sampling(max_tokens=20)) for p in PROMPTS]
    together = [future.result(60) for future in [engine.generate(job) for job in jobs]]
    alone = [write(model(name), p, max_tokens=20) for p in PROMPTS]
    assert [made.text for made in together] == [made.text for made in alone]
    for many, one in zip(together, alone, strict=True):
        assert many.logprobs == pytest.approx(one.logprobs, abs=1e-4)


def test_streamed_equals_whole(model, write):
    pieces = []
    made = write(model("stories"), "Once upon a time", on_text=pieces.append)
    assert "".join(pieces) == made.text
    assert len(pieces) > 5


def test_confidence_is_the_geometric_mean_probability(model, plain, write):
    made = write(model("stories"), "Once upon a time", max_tokens=6)
    one = plain(model("stories"))
    ids, total = one.prompt("Once upon a time"), 0.0
    for _ in range(6):
        logprobs = one.after(ids)
        total += float(logprobs.max())
        ids = [*ids, int(logprobs.argmax())]
    assert made.confidence == pytest.approx(math.exp(total / 6), rel=1e-4)
    assert "".join(made.tokens) == made.text


def test_end_is_counted_but_has_no_text(zoo, write):
    made = write(zoo("maths"), "What is 12 plus 30?")
    assert made.finish == "stop"
    assert made.tokens[-1] == ""
    assert len(made.logprobs) == len(made.tokens)
    assert made.usage["maths"].completion_tokens == len(made.tokens)


def test_stop_string_is_cut_exactly_even_inside_a_token(model, write):
    whole = write(model("stories"), "Once upon a time").text
    stop = whole[9:12]
    pieces = []
    made = write(model("stories"), "Once upon a time", stop=(stop,), on_text=pieces.append)
    assert made.text == whole[: whole.index(stop)] == "".join(pieces)
    assert made.finish == "stop"


def test_prefix_is_gone_on_from(model, write):
    whole = write(model("stories"), "Once upon a time", max_tokens=16)
    start = "".join(whole.tokens[:6])
    rest = write(model("stories"), "Once upon a time", prefix=start, max_tokens=10)
    assert start + rest.text == whole.text


def test_a_seed_draws_the_same_whoever_else_is_there(engine, model):
    def job(seed, prompt="Once upon a time", **how):
        how = Sampling(max_tokens=16, seed=seed, temperature=0.9, **how)
        return Job(model("stories"), ((("user", prompt),),), how)

    alone = engine.generate(job(7)).result(60)
    crowd = [job(1, top_p=0.5), job(7), job(2, top_k=5), job(3, "Lily", min_p=0.2)]
    made = [future.result(60) for future in [engine.generate(j) for j in crowd]]
    assert made[1].text == alone.text
    assert len({m.text for m in made}) > 2


def test_context_ends_an_answer(model, write):
    made = write(model("stories"), "dog " * 240, max_tokens=600)
    assert made.finish == "context"
    assert made.usage["stories"].prompt_tokens + len(made.tokens) == 512 + 1


def test_prompt_longer_than_the_context_is_an_error(model, write):
    with pytest.raises(ModelError, match="the context of stories is 512 tokens"):
        write(model("stories"), "dog " * 600)


def test_cancelled_jobs_give_their_rows_back(engine, model, write):
    write(model("stories"), "Lily", max_tokens=1)
    (runner,) = engine._pool.get([model("stories")])
    job = Job(model("rwkv"), ((("user", "a"),),), Sampling(max_tokens=10**6))
    futures = [engine.generate(job) for _ in range(3)]
    assert all(future.cancel() for future in futures)
    write(model("rwkv"), "a", max_tokens=2)
    rows = [r.rows.live for r in engine._pool.runners()]
    assert rows == [[]] * len(rows)
    assert runner.idle


def test_not_a_number_is_an_error_that_names_the_member_and_spoils_nothing(engine, model, write):
    before = write(model("shakespeare"), "Lily").text
    (runner,) = engine._pool.get([model("shakespeare")])
    weight = runner.model.module.model.embed_tokens.weight
    token = runner.model.vocabulary.extend(b"Z")[-1]
    kept = weight[token].clone()
    with torch.no_grad():
        weight[token] = math.nan
        with pytest.raises(ModelError, match="shakespeare gave logits that are not numbers"):
            write(model("shakespeare"), "Lily Z")
        weight[token] = kept
    assert write(model("shakespeare"), "Lily").text == before


def test_what_raises_in_on_text_fails_its_own_job_only(engine, model, write):
    def burst(_):
        raise RuntimeError("no")

    job = Job(model("stories"), ((("user", "Lily"),),), Sampling(max_tokens=8))
    good, bad = engine.generate(job), engine.generate(job, burst)
    with pytest.raises(RuntimeError):
        bad.result(60)
    assert good.result(60).text == write(model("stories"), "Lily", max_tokens=8).text


@pytest.mark.parametrize("kind", ["safe", "span", "speculative", "plain"])
def test_rows_that_were_no_numbers_are_wiped_however_they_were_used(engine, model, write, kind):
    pair = model("stories"), model("shakespeare")
    drafts = {
        "safe": Part("draft.safe"),
        "speculative": Part("draft.speculative"),
    }
    fuse = TokenFuse(pair, ("a", "b"), draft=drafts.get(kind))
    member = SpanFuse(pair, ("a", "b")) if kind == "span" else fuse
    (runner,) = engine._pool.get([pair[0]])
    weight = runner.model.module.model.embed_tokens.weight
    token = runner.model.vocabulary.extend(b"Z")[-1]
    kept = weight[token].clone()
    with torch.no_grad():
        weight[token] = math.nan
        with pytest.raises(ModelError, match="gave logits that are not numbers"):
            write(member, "Lily Z was happy")
        weight[token] = kept
    assert not any(cells.isnan().any() for cells in (*runner.rows._keys, *runner.rows._values))

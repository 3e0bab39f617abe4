"""Real tiny models, one engine, and a plain uncached loop to compare with."""

from functools import cache
from pathlib import Path

import pytest
import torch
from fusing import Job, checkpoint
from shallow import shallow

from composer.engine.engine import Engine
from composer.engine.weights.local import load
from composer.values import Sampling

CHECKOUT = Path(__file__).parents[2]
DATA = CHECKOUT.parent / "shared" / "data"
ZOO = CHECKOUT / "composer" / "zoo" / "models"
CLOSE = 1e-4  # two tokens nearer than this may change places when rows share a pass


@pytest.fixture(scope="session", autouse=True)
def _one_thread():
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def data():
    if not (DATA / "models").is_dir():
        pytest.skip("the folder shared/data is not beside this checkout")
    return DATA


FOLDERS = {
    "stories": "stories260K",
    "shakespeare": "stories260K-ft-shakespeare",
    "maths": "stories260K-ft-gsm8k",
    "rwkv": "rwkv4-660K-bytes",
}


@pytest.fixture(scope="session")
def whole(data):
    """Name a checkpoint: `stories`, `shakespeare`, `maths` or `rwkv`."""
    return lambda name: checkpoint(name, data / "models" / FOLDERS[name])


@pytest.fixture(scope="session")
def model(data, tmp_path_factory):
    """Name a checkpoint, which has a few of its layers: most tests need no more."""
    folder = tmp_path_factory.mktemp("shallow")

    @cache
    def find(name):
        layers = (0, 3) if name == "rwkv" else (0, 3, 4)
        return checkpoint(name, shallow(data / "models" / FOLDERS[name], folder / name, layers))

    return find


@pytest.fixture(scope="session")
def zoo():
    """Name a checkpoint of the zoo, if it is there."""

    def find(name):
        folder = ZOO / name
        if not (folder / "model.safetensors").is_file():
            pytest.skip(f"the zoo has no model {name}")
        return checkpoint(name, folder)

    return find


@pytest.fixture(scope="session")
def engine():
    with Engine() as made:
        yield made


@pytest.fixture
def write(engine):
    """Answer one prompt: `write(member, "Once upon a time", max_tokens=12)`."""

    def run(member, *texts, weights=None, prefix="", on_text=None, **how):
        prompts = tuple((("user", text),) for text in texts)
        job = Job(member, prompts, Sampling(**{"max_tokens": 24, **how}), weights, prefix)
        return engine.generate(job, on_text).result(60)

    return run


class Plain:
    """A model without cache or batch: log-probabilities after ids, in float64."""

    def __init__(self, solo):
        self.local = load(solo)

    @torch.inference_mode()
    def after(self, ids):
        logits = self.local.module(torch.tensor([ids]), use_cache=False).logits[0, -1]
        return logits[: self.local.width].double().log_softmax(-1)

    def prompt(self, text):
        return self.local.render((("user", text),))


@pytest.fixture(scope="session")
def plain():
    """The uncached model of a member."""
    made = {}

    def find(solo):
        if solo not in made:
            made[solo] = Plain(solo)
        return made[solo]

    return find


def loop(step, how_many, ends):
    """Greedy ids by `step(ids written so far) -> log-probabilities`, up to the first near tie."""
    written = []
    while len(written) < how_many and not ends.intersection(written):
        logprobs = step(written)
        best, second = logprobs.topk(2).values.tolist()
        if best - second < CLOSE:
            break
        written.append(int(logprobs.argmax()))
    return written


@pytest.fixture(scope="session")
def greedy():
    return loop


@pytest.fixture
def broken(engine, monkeypatch):
    """Make a model give NaN, or raise, once it has read a number of tokens: `broken(model, 9)`."""

    def spoil(solo, after, error=None):
        (runner,) = engine._pool.get([solo])
        plain = runner.rows.forward

        def step(feeds):
            out = plain(feeds)
            late = [feed.row.length > after for feed in feeds for _ in feed.keep]
            if error is not None and any(late):
                raise error
            if any(late):
                out = out.clone()
                out[torch.tensor(late)] = torch.nan
            return out

        monkeypatch.setattr(runner.rows, "forward", step)

    return spoil


@pytest.fixture
def narrow(engine, monkeypatch):
    """Give a model another context, and return the one it had: `narrow(model, 12)`."""

    def limit(solo, context):
        (runner,) = engine._pool.get([solo])
        before = runner.model.context
        monkeypatch.setattr(runner.model, "context", context)
        return before

    return limit

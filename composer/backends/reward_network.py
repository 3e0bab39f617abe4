"""A reward model with its weights: it reads questions with answers and rewards them in batches."""

from __future__ import annotations

import math
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, TypeAlias
from weakref import WeakValueDictionary

from composer.backends.step_likelihood import Likelihoods
from composer.checkpoints.adapters import HEADS, fitting
from composer.checkpoints.chatfiles import chat_of
from composer.checkpoints.folder import RECURRENT, files_of
from composer.checkpoints.prompts import PromptTokens, stated_facts
from composer.checkpoints.reward_heads import LABELS, generative, layered
from composer.diagnostics.amounts import counted
from composer.engine.rows.forward_arguments import cache_name
from composer.engine.weights.adapters import NONE, Adapters
from composer.engine.weights.fetching import fetched
from composer.engine.weights.loading import config_of, module_of, refused, tokenizer_of
from composer.heavy import torch, transformers
from composer.quiet import quiet
from composer.specs.content import OF_ADAPTER
from composer.values.beginnings import common_length
from composer.values.errors import ModelError
from composer.values.gathering import Gathering

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from torch import Tensor
    from transformers import PreTrainedConfig, PreTrainedModel

    from composer.checkpoints.folder import ModelFiles
    from composer.checkpoints.reward_heads import RewardHead, StepReading
    from composer.engine.weights.loading import ModelClass
    from composer.specs.declaration import Chat, Weights
    from composer.values.flow import Query

__all__ = ["Judged", "RewardNetwork"]


class Declared(Protocol):
    """What a declaration says of a reward model."""

    @property
    def weights(self) -> Weights:
        """Which weights are read, and how."""

    @property
    def chat(self) -> Chat:
        """How a question and its answer are written."""

    @property
    def head(self) -> RewardHead:
        """What gives the reward."""

    @property
    def steps(self) -> str:
        """How the rewards of steps become one."""

    @property
    def reading(self) -> StepReading:
        """How an answer is cut into steps."""

    @property
    def batch(self) -> int:
        """How many texts are run together."""

    @property
    def heads(self) -> int:
        """How many rewards it gives in one pass."""


class Judged(NamedTuple):
    """The reward of a text, those of its steps, and how many tokens were read.

    `heads` are the rewards of several heads, of which the reward is the mean; empty for one head.
    """

    reward: float
    steps: tuple[float, ...]
    tokens: int
    heads: tuple[float, ...] = ()


@dataclass(frozen=True)
class Reading:
    """The tokens of a question with its answer, and the places at which rewards are read."""

    ids: list[int]
    places: list[int]


@dataclass(eq=False)
class Trunk:
    """Weights in memory, which reward models that differ in their adapter alone share.

    `cache` is the model's argument for a cache. Rewards that are wanted at one time are read
    together, whichever of these models they are of. `free` is held by whoever reads, or loads an
    adapter: networks are opened in threads of their own.
    """

    module: PreTrainedModel
    adapters: Adapters
    cache: str
    waiting: Gathering[Job, Judged]
    free: threading.Lock = field(default_factory=threading.Lock)


_TRUNKS: WeakValueDictionary[tuple[object, ...], Trunk] = WeakValueDictionary()
_LOADING = threading.Lock()


def _shared(key: tuple[object, ...], load: Callable[[], PreTrainedModel]) -> Trunk:
    """Return the trunk of a key, loaded unless it is in memory."""
    with _LOADING:
        trunk = _TRUNKS.get(key)
        if trunk is None:
            module = load()
            trunk = Trunk(module, Adapters(module), _cache_of(module), Gathering(judged))
            _TRUNKS[key] = trunk
        return trunk


GOOD = 1
"""The place of the good label, or word, of two."""

OVER: dict[str, Callable[[Sequence[float]], float]] = {
    "last": lambda rewards: rewards[-1],
    "min": min,
    "product": math.prod,
    "mean": lambda rewards: math.fsum(rewards) / len(rewards),
}


class RewardNetwork:
    """The model of a declaration, loaded; raises ModelError where it cannot be.

    Networks of one `owner`, such as an event loop, share the weights that they have in common.
    """

    def __init__(self, declared: Declared, name: str, owner: object = None) -> None:
        self.declared, self.reading, self.name = declared, declared.reading, name
        self.owner = owner
        weights = declared.weights
        chosen = weights.device
        if chosen == "auto":
            chosen = "cuda" if torch.cuda.is_available() else "cpu"
        self.device = torch.device(chosen)
        try:
            with quiet():
                self._load(weights)
        except ModelError as error:
            text = f"`{name}` cannot be loaded: {error.message}"
            raise ModelError(error.code, text, error.help) from error
        except Exception as error:
            raise refused(f"`{name}`", weights, error) from error

    def _load(self, weights: Weights) -> None:
        files = files_of(fetched(weights))
        encoder, _ = tokenizer_of(files)
        self.tokens = PromptTokens(encoder, self.name, stated_facts(files, encoder))
        self.template = chat_of(files.folder, self.declared.chat, f"`{self.name}`")
        self.head = self.declared.head
        self.trunk = _shared(self._key(weights), lambda: self._module(files, weights))
        self.module, self.cache = self.trunk.module, self.trunk.cache
        self.adapter = NONE if weights.adapter is None else self._adopted(weights.adapter, files)
        self.shares = self.head != "likelihood" and not files.kind.startswith(RECURRENT)
        self.closing = self._closing()
        self.step_end = self._exactly(self.reading.end)
        self.between = self._exactly(self.reading.between)

    def _key(self, weights: Weights) -> tuple[object, ...]:
        """Name what networks that share a trunk have in common."""
        words = (self.reading.good, self.reading.bad)
        own = (weights.shared, weights.revision, str(self.device), self.head, *words)
        return (id(self.owner) if self.owner is not None else id(self), *own, self.declared.heads)

    def _module(self, files: ModelFiles, weights: Weights) -> PreTrainedModel:
        kind = _class_of(self.head, layered=self.head == "steps" and layered(files.folder))
        if self.head == "answer" and generative(files.folder):
            kind = NewHead(self.declared.heads)
        module = module_of(files, weights, str(self.device), kind).to(self.device).eval()
        if self.head == "words":
            _keep(module, self._word(self.reading.bad), self._word(self.reading.good))
        return module.requires_grad_(requires_grad=False)

    def _adopted(self, adapter: Weights, files: ModelFiles) -> int:
        """Load an adapter beside the trunk; return its number there."""
        folder = fetched(adapter, OF_ADAPTER)
        fitting(folder, files.folder)
        with self.trunk.free:
            return self.trunk.adapters.add(folder)

    def readings(self, query: Query, texts: Sequence[str]) -> list[Reading]:
        """Write a question with each of its answers."""
        return [self.read(query, text) for text in texts]

    def judged(self, jobs: Sequence[tuple[Query, str]]) -> list[Judged]:
        """Return the rewards of answers to questions; each depends on its own texts alone."""
        return judged([(self, self.read(query, text)) for query, text in jobs])

    def one(self, values: list[list[float]], tokens: int) -> Judged:
        """Return what the values [place, head] of a text come to."""
        places = [math.fsum(heads) / len(heads) for heads in values]
        heads = tuple(values[-1]) if len(values[-1]) > 1 else ()
        return Judged(OVER[self.declared.steps](places), tuple(places), tokens, heads)

    def read(self, query: Query, text: str) -> Reading:
        """Write a question with its answer; raises ModelError (E703) where that is too long."""
        if self.head == "answer":
            ids = [*self._answered(query, text), *self.closing]
            reading = Reading(ids, [len(ids) - 1])
        else:
            reading = self._in_steps(query, text)
        context = self.tokens.context
        if context is not None and len(reading.ids) > context:
            raise ModelError(
                "E703",
                f"question and answer have {counted(len(reading.ids), 'token')}, and the context "
                f"of `{self.name}` is {context}",
                "use a reward model with a longer context, or ask for shorter answers",
            )
        return reading

    def _in_steps(self, query: Query, text: str) -> Reading:
        """Write an answer with an end behind each of its steps."""
        steps = [step for step in text.split(self.reading.boundary) if step.strip()] or [""]
        ids, places = self._answered(query, steps[0]), []
        for at, step in enumerate(steps):
            if at:
                ids += [*self.between, *self.tokens.vocabulary.extend(step.encode())]
            ids += self.step_end
            places.append(len(ids) - 1)
        return Reading(ids, places)

    def _answered(self, query: Query, text: str) -> list[int]:
        """Return the tokens of a question and of an answer, up to the end of that."""
        if query.raw:
            return [*self.tokens.read(query), *self.tokens.vocabulary.extend(text.encode())]
        messages = (*query.messages, ("assistant", text.strip()))
        return self.tokens.written(messages, self.template, self.declared.chat)

    def _closing(self) -> list[int]:
        """Return what is read behind a whole answer: what the template writes, or the end token."""
        if self.template is None:
            return sorted(self.tokens.ends)[:1]
        return self.tokens.vocabulary.encode(self.template.closing())

    def _exactly(self, text: str) -> list[int]:
        """Return a special token of this name, or else the tokens of the text."""
        if text in self.tokens.vocabulary.names():
            return [self.tokens.vocabulary.names()[text]]
        return list(self.tokens.vocabulary.extend(text.encode()))

    def _word(self, word: str | None) -> int:
        assert word is not None
        ids = self._exactly(word)
        if len(ids) != 1:
            text = f"`{word}` is {counted(len(ids), 'token')} of `{self.name}`, and must be one"
            raise ModelError("E402", text, "write it as one token, with the space before it")
        return ids[0]

    @torch.inference_mode()
    def rewards(self, batch: Sequence[Reading], lines: Sequence[int]) -> list[list[list[float]]]:
        """Run one batch; return the rewards [place, head] of each.

        `lines` are the adapters of the rows. A beginning that all have in common is read once.
        """
        with self.trunk.free, self.trunk.adapters.use(lines):
            return list(self._rewards(batch, lines))

    def _rewards(
        self, batch: Sequence[Reading], lines: Sequence[int]
    ) -> Iterator[list[list[float]]]:
        first = min(place for each in batch for place in each.places)
        alike = self.shares and len(set(lines)) == 1
        count = common_length([each.ids[:first] for each in batch]) if alike else 0
        shared = batch[0].ids[:count]
        past = self._read_once(shared, lines) if shared and len(batch) > 1 else {}
        skipped = len(shared) if past else 0
        longest = max(len(each.ids) for each in batch)
        rows = [each.ids[skipped:] + [0] * (longest - len(each.ids)) for each in batch]
        mask = [[1] * len(each.ids) + [0] * (longest - len(each.ids)) for each in batch]
        outputs = self._forward(rows, mask, past)
        for row, each in enumerate(batch):
            places = torch.tensor(each.places, device=self.device) - skipped
            with self.trunk.adapters.use(lines[row : row + 1]):
                yield self._values(outputs[row, places])

    def _read_once(self, ids: list[int], lines: Sequence[int]) -> dict[str, Any]:
        """Read a beginning; return a cache of it for each row."""
        cache = transformers.DynamicCache(config=self.module.config)
        past: dict[str, Any] = {self.cache: cache, "use_cache": True}
        with self.trunk.adapters.use(lines[:1]):
            self._forward([ids], [[1] * len(ids)], past)
        cache.batch_repeat_interleave(len(lines))
        return past

    def _forward(
        self, rows: list[list[int]], mask: list[list[int]], past: dict[str, Any]
    ) -> Tensor:
        """Return what the model gives at each token [row, token, labels], or hidden states."""
        whole = self.module.base_model if self.head == "answer" else self.module
        out = whole(
            input_ids=torch.tensor(rows, device=self.device),
            attention_mask=torch.tensor(mask, device=self.device),
            **(past or {"use_cache": False}),
        )
        outputs: Tensor = out.last_hidden_state if self.head == "answer" else out.logits
        return outputs

    def _values(self, outputs: Tensor) -> list[list[float]]:
        """Return the rewards [place, head] of some places from their outputs [place, n]."""
        if self.head == "answer":
            rewards = self.module.get_submodule("score")(outputs).float()
        else:
            rewards = outputs.float().softmax(-1)[:, GOOD, None]
        values: list[list[float]] = rewards.tolist()
        return values


Job: TypeAlias = "tuple[RewardNetwork, Reading]"


def judged(jobs: Sequence[Job]) -> list[Judged]:
    """Return the rewards of what networks of one trunk read, in batches of like lengths."""
    order = sorted(range(len(jobs)), key=lambda at: len(jobs[at][1].ids))
    size = min(network.declared.batch for network, _ in jobs)
    results: dict[int, Judged] = {}
    with quiet():
        for start in range(0, len(order), size):
            places = order[start : start + size]
            batch = [jobs[at] for at in places]
            lines = [network.adapter for network, _ in batch]
            values = batch[0][0].rewards([reading for _, reading in batch], lines)
            for at, each in zip(places, values, strict=True):
                network, reading = jobs[at]
                results[at] = network.one(each, len(reading.ids))
    return [results[at] for at in range(len(jobs))]


def _keep(module: PreTrainedModel, *tokens: int) -> None:
    """Let a model give the logits of these tokens alone."""
    whole = module.get_output_embeddings()
    some = torch.nn.Linear(whole.in_features, len(tokens), bias=whole.bias is not None)
    some.weight.data = whole.weight[list(tokens)].clone()
    if whole.bias is not None:
        some.bias.data = whole.bias[list(tokens)].clone()
    module.set_output_embeddings(some)


def _cache_of(module: PreTrainedModel) -> str:
    """Return the name of a model's argument for a cache, which all that read forwards have."""
    cache = cache_name(module)
    if cache is None:
        text = "it reads texts in both directions, and only those that read forwards can be used"
        raise ModelError("E505", text, "use a reward model made from a decoder")
    return cache


def _class_of(head: RewardHead, *, layered: bool) -> ModelClass:
    """Return the class that reads the weights of a kind of reward model."""
    if layered:
        return LayeredClassifier()
    if head == "likelihood":
        return Likelihoods()
    kinds: dict[RewardHead, ModelClass] = {
        "answer": transformers.AutoModelForSequenceClassification,
        "steps": transformers.AutoModelForTokenClassification,
        "words": transformers.AutoModelForCausalLM,
    }
    return kinds[head]


class NewHead:
    """Sequence classifiers whose head is not in the files of a language model."""

    def __init__(self, labels: int) -> None:
        self.labels = labels

    def from_pretrained(self, folder: str, **how: Any) -> Any:  # noqa: ANN401 - as transformers
        """Load a folder; its missing head, which an adapter has, is no fault."""
        kind = transformers.AutoModelForSequenceClassification
        module, info = kind.from_pretrained(folder, num_labels=self.labels, **how)
        for faults in (info["missing_keys"], info["unexpected_keys"]):
            for name in [name for name in faults if name.split(".")[0] in HEADS]:
                faults.remove(name)
        return module, info


class LayeredClassifier:
    """Token classifiers whose head has two layers, as that of Qwen2.5-Math-PRM."""

    def from_pretrained(self, folder: str, **how: Any) -> Any:  # noqa: ANN401 - as transformers
        """Load a folder into transformers' class with this head."""
        config = config_of(folder)
        config.num_labels = LABELS["steps"]
        known = transformers.MODEL_FOR_TOKEN_CLASSIFICATION_MAPPING[type(config)]

        class Layered(known):  # type: ignore[misc, valid-type]  # the class is looked up
            def __init__(self, config: PreTrainedConfig) -> None:
                super().__init__(config)
                size = config.hidden_size
                first, last = torch.nn.Linear(size, size), torch.nn.Linear(size, config.num_labels)
                self.score = torch.nn.Sequential(first, torch.nn.ReLU(), last)
                self.post_init()

        return Layered.from_pretrained(folder, config=config, **how)

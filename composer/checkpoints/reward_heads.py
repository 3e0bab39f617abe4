"""Which kind of reward model a folder holds, by its light files, and how it reads steps."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from composer.checkpoints.adapters import adapter_files
from composer.checkpoints.folder import GENERATIVE
from composer.diagnostics.amounts import counted
from composer.specs.headers import tensors_of
from composer.specs.json_files import read_json
from composer.values.errors import ModelError

if TYPE_CHECKING:
    from pathlib import Path

__all__ = [
    "LABELS",
    "RewardHead",
    "StepReading",
    "adapted_head",
    "generative",
    "headless",
    "layered",
    "reward_head",
]

RewardHead = Literal["answer", "steps", "words", "likelihood"]
"""What gives the reward: one number at the end of an answer; two labels at the end of each step;
the probabilities of two words there; or two labels by how likely the tokens of the step were.
"""

OF_ANSWERS = "ForSequenceClassification"
OF_LIKELIHOODS = "ForStepLikelihood"
OF_STEPS = ("ForTokenClassification", "ForProcessRewardModel")
LABELS: dict[RewardHead, int] = {"answer": 1, "steps": 2}
HEADS = ("score", "classifier")
"""What the layer that gives the reward is called in classes of transformers."""

UNSAID = 2
"""The labels of a classifier whose configuration does not name them, as in transformers."""


@dataclass(frozen=True, slots=True)
class StepReading:
    """How an answer is cut into steps and read, and the tokens of good and bad ones."""

    boundary: str = "\n"
    step_end: str | None = None
    between: str = ""
    good: str | None = None
    bad: str | None = None

    @property
    def end(self) -> str:
        """What is read behind a step."""
        return self.boundary if self.step_end is None else self.step_end


def generative(folder: Path) -> bool:
    """Whether a folder holds a language model."""
    classes = read_json(folder / "config.json").get("architectures") or [""]
    return str(classes[0]).endswith(GENERATIVE)


def adapted_head(folder: Path, adapter: Path, heads: int) -> RewardHead:
    """Return the kind of a reward model that is a language model with an adapter.

    Raises ModelError (E505) where the adapter has no layer that gives rewards, or another number of
    them.
    """
    files = adapter_files(adapter)
    named = [file for name, file in files.whole.items() if name == "score.weight"]
    shape = files.tensors[named[0]].shape if named else None
    if shape is None:
        text = f"the adapter `{adapter}` has no layer that gives a reward: no `score`"
        help_ = f"`{folder}` is a language model: train the adapter with one (`SEQ_CLS` of peft)"
        raise ModelError("E505", text, help_)
    if shape[0] != heads:
        text = f"the adapter `{adapter}` gives {counted(shape[0], 'reward')}"
        raise ModelError("E505", text, f"write `heads = {shape[0]}`")
    return "answer"


def reward_head(folder: Path, *, words: bool, heads: int = 1) -> RewardHead:
    """Return the kind of a reward model; `words` says that a recipe names two words.

    A classifier of answers must have as many labels as `heads`.

    Raises ModelError (E505) for a model that gives no reward, or labels other than expected.
    """
    config = read_json(folder / "config.json")
    classes = config.get("architectures") or ["a model of an unknown class"]
    head = str(classes[0])
    if any(head.endswith(each) for each in GENERATIVE):
        if not words:
            raise _speaks(folder, head)
        return "words"
    if words:
        text = f"`good` and `bad` are words of a language model, and `{folder}` has a {head}"
        raise ModelError("E402", text, "leave out `good` and `bad`")
    if head.endswith(OF_LIKELIHOODS):
        return "likelihood"
    kind: RewardHead
    if head.endswith(OF_STEPS):
        kind = "steps"
    elif head.endswith(OF_ANSWERS):
        kind = "answer"
    else:
        text = f"the model in `{folder}` is no reward model: it is {head}"
        raise ModelError("E505", text, _ADVICE)
    _demand_labels(folder, kind, config, heads)
    return kind


_ADVICE = (
    "give a sequence classifier with one label, a token classifier with two, or a language model "
    "with `good` and `bad`"
)


def headless(folder: Path) -> ModelError | None:
    """Return the error of a classifier whose weights have no layer that gives the reward."""
    names = {name.split(".")[0] for name in tensors_of(folder)}
    if not names.isdisjoint(HEADS):
        return None
    text = f"the weights in `{folder}` have no layer that gives a reward: no `score`"
    return ModelError("E505", text, "save the trained reward model, not the model it came from")


def layered(folder: Path) -> bool:
    """Whether its head is two layers, as in Qwen2.5-Math-PRM, which no class has."""
    return "score.2.weight" in tensors_of(folder)


def _demand_labels(folder: Path, kind: RewardHead, config: dict[str, object], heads: int) -> None:
    """Raise ModelError where a classifier has other labels than a reward needs."""
    named = config.get("id2label")
    labels = len(named) if isinstance(named, dict) else int(str(config.get("num_labels", UNSAID)))
    needed = heads if kind == "answer" else LABELS[kind]
    if labels != needed:
        what = "each step" if kind == "steps" else "an answer"
        each = what if heads == 1 else f"each of {heads} heads"
        text = (
            f"the classifier in `{folder}` has {counted(labels, 'label')}, and a reward for {each} "
            f"needs {counted(needed, 'label')}"
        )
        several = f"if each label is a reward of its own: `heads = {labels}`; else {_ADVICE}"
        raise ModelError("E505", text, several if kind == "answer" else _ADVICE)


def _speaks(folder: Path, head: str) -> ModelError:
    return ModelError(
        "E505",
        f"the model in `{folder}` gives words, not rewards: it is {head}",
        'name two tokens whose probabilities are the reward: `good = "+", bad = "-"`; or ask it as '
        "a judge: `rank(J, by = judge())`",
    )

"""`distill`: a student is trained on the distributions of its teachers, or on their answers."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import torch

from composer.build.answers import collect_answers
from composer.build.corpus import documents, questions, refuse_overlap
from composer.build.examples import end_of, make_example
from composer.build.targets import TokenAligner, blend_target
from composer.build.teacher_outputs import collect_outputs, read_documents
from composer.build.training import train
from composer.build.training_sets import DistillationSet, TextSet
from composer.engine.engine import Engine
from composer.engine.sessions.likely_tokens import Document
from composer.engine.space import space_of
from composer.engine.top_tokens import NONE
from composer.engine.weights.local import load
from composer.engine.weights.tensors import Tensors
from composer.engine.weights.writing import Construction, write
from composer.methods.distillation.adamw import AdamW
from composer.methods.distillation.objectives import TeacherAnswers, TeacherDistributions
from composer.quiet import quiet
from composer.specs.derived import NAMES, SIZES, recast
from composer.specs.headers import read_json, tensors_of
from composer.values.errors import ModelError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from composer.build.examples import Example
    from composer.build.training import TrainingSet, TrainingState
    from composer.engine.top_tokens import TopTokens
    from composer.engine.weights.donors import Donor
    from composer.engine.weights.local import LocalModel
    from composer.specs import Distilled
    from composer.specs.headers import TensorHeader

__all__ = ["distill"]

HISTORY = "history.tsv"
"""The file beside a trained model that has what was lost, in nats a token, at each check."""

TRIED = 16
"""Answers that are read with and without a space before them."""


@dataclass(frozen=True)
class DistillationJob:
    """A student in memory, what it is distilled from, where work is kept, and who is told of it.

    `engine` starts the engine in which teachers read, when it is first called.
    """

    model: Distilled
    student: LocalModel
    work: Path
    engine: Callable[[], Engine]
    tell: Callable[[str], None]

    @property
    def how(self) -> AdamW:
        """How it is trained."""
        how = self.model.training
        assert isinstance(how, AdamW)
        return how

    def example(self, document: Document) -> Example:
        """Return a document in the student's tokens."""
        return make_example(self.student, self.model.sources[0].weights.chat, document)


def distill(
    model: Distilled, donors: Sequence[Donor], folder: Path, work: Path, tell: Callable[[str], None]
) -> None:
    """Train a student, and write its checkpoint into an empty folder.

    Raises Mistakes (E504) for a corpus that cannot be used, ModelError for what a teacher or the
    student cannot read.
    """
    (donor,) = donors
    _demand_plain(model, donor)
    device = model.device if model.device != "auto" else _best_device()
    student = load(model.sources[0], device)
    with ExitStack() as stack:
        engine = cache(lambda: stack.enter_context(Engine()))
        job = DistillationJob(model, student, work, engine, tell)
        training_set = _TRAINING_SETS[type(model.objective)](job)
    module = student.module.float().requires_grad_()
    with quiet():
        interpolate = getattr(model.objective, "interpolate", None)
        state = train(module, training_set, job.how, work / "training", tell, interpolate)
        _write(model, student, donor.folder, folder, state)


def _demand_plain(model: Distilled, donor: Donor) -> None:
    """Refuse a student whose weights are not all its own numbers."""
    name = model.labels[0]
    if donor.adapter is not None:
        text = f"{name} has an adapter, and a student is trained with all its weights"
        raise ModelError("E505", text, f"put the adapter into the weights: `merge({name})`")
    if "quantization_config" in read_json(donor.folder / "config.json"):
        text = f"{name} is quantized, and quantized weights cannot be trained"
        raise ModelError("E505", text, "train the checkpoint that it was quantized from")


def _best_device() -> str:
    return "cuda" if torch.cuda.is_available() else "cpu"


def _distribution_set(job: DistillationJob) -> TrainingSet:
    """Return the examples with the distributions of the teachers."""
    objective = job.model.objective
    assert isinstance(objective, TeacherDistributions)
    texts = _documents(job)
    examples = [job.example(each) for each in texts]
    teachers = job.model.teachers
    outputs = [collect_outputs(job.engine, t, texts, objective, job.tell) for t in teachers]
    space, end = space_of(job.student), end_of(job.student) if job.student.ends else NONE
    aligners = [TokenAligner.of(objective.align, space, end, each, examples) for each in outputs]

    @lru_cache(maxsize=2048)
    def target_of(number: int) -> TopTokens:
        pairs = zip(aligners, outputs, strict=True)
        own = [align(examples[number], each[number]) for align, each in pairs]
        return blend_target(examples[number], own, objective.fuse, objective.top)[0]

    return DistillationSet(examples, objective, target_of)


def _answer_set(job: DistillationJob) -> TrainingSet:
    """Return the examples that the teachers' answers are."""
    objective = job.model.objective
    assert isinstance(objective, TeacherAnswers)
    asked = questions(job.model.corpus)
    pairs = collect_answers(job.model.teachers, asked, objective, job.engine, job.work, job.tell)
    texts = [Document(query, text, end=True) for query, text in pairs]
    _refuse(job, texts)
    return TextSet([job.example(each) for each in texts])


_TRAINING_SETS: dict[type, Callable[[DistillationJob], TrainingSet]] = {
    TeacherDistributions: _distribution_set,
    TeacherAnswers: _answer_set,
}
"""What makes the training set of a student, by its objective."""


def _documents(job: DistillationJob) -> list[Document]:
    """Read the corpus, with the space before answers that the student writes itself."""
    vocabulary = job.student.vocabulary
    texts = documents(job.model.corpus, job.how.length, lambda text: len(vocabulary.encode(text)))
    _refuse(job, texts)
    return _add_spaces(job, texts)


def _refuse(job: DistillationJob, texts: Sequence[Document]) -> None:
    if job.model.test is not None:
        refuse_overlap(job.model.corpus, texts, job.model.test)


def _add_spaces(job: DistillationJob, texts: list[Document]) -> list[Document]:
    """Put a space before answers, if the student finds them likelier so."""
    tried = [each for each in texts if each.query is not None][:TRIED]
    if not tried:
        return texts
    objective = TeacherDistributions(top=1)
    student = job.model.sources[0]

    def lost(some: Sequence[Document]) -> float:
        readings = read_documents(job.engine(), student, some, objective)
        return sum(each.distributions.nats.sum().item() for each in readings)

    if lost(list(map(_with_space, tried))) >= lost(tried):
        return texts
    return list(map(_with_space, texts))


def _with_space(document: Document) -> Document:
    if document.query is None or document.text[:1].isspace():
        return document
    return Document(document.query, f" {document.text}", document.end)


def _write(
    model: Distilled, student: LocalModel, donor: Path, folder: Path, state: TrainingState
) -> None:
    """Write a trained student with the files of its donor, and its numbers in the donor's types."""
    with TemporaryDirectory(dir=folder.parent) as temporary:
        student.module.save_pretrained(temporary)
        with Tensors(Path(temporary)) as trained:
            headers = _with_dtypes(trained.headers, tensors_of(donor), model.dtype)
            write(folder, Construction(donor, headers, trained.read), model.dtype)
    (folder / HISTORY).write_text(_history(state), encoding="utf-8")


def _with_dtypes(
    trained: Mapping[str, TensorHeader], donor: Mapping[str, TensorHeader], dtype: str
) -> dict[str, TensorHeader]:
    """Return headers with the type of numbers that is asked, or that of the donor's tensors."""
    if dtype != "auto":
        return recast(trained, dtype)
    kinds = {header.dtype for header in donor.values()} & SIZES.keys()
    names = {kind: name for name, kind in NAMES.items()}
    widest = max(kinds, key=SIZES.__getitem__, default="F32")
    own = {name: donor[name].dtype if name in donor else widest for name in trained}
    return {
        name: recast({name: header}, names.get(own[name], "float32"))[name]
        for name, header in trained.items()
    }


def _history(state: TrainingState) -> str:
    """Return what was lost in training and on texts held out, as a table."""
    rows = [
        f"{step}\t{lost:.6f}\t{'' if held is None else format(held, '.6f')}"
        for step, lost, held in state.history
    ]
    return "\n".join(["step\ttraining\theld_out", *rows, ""])

"""`distill`: a student is trained on the distributions of its teachers, or on their answers."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import torch

from composer.build.answers import answered
from composer.build.corpus import documents, questions, refuse_overlap
from composer.build.lessons import Taught, Texts
from composer.build.students import end_of, exercise
from composer.build.targets import Interpreter, target
from composer.build.teachers import lecture, read
from composer.build.training import train
from composer.engine.engine import Engine
from composer.engine.sessions.likely_tokens import Document
from composer.engine.space import space_of
from composer.engine.top_tokens import NONE
from composer.engine.weights.local import load
from composer.engine.weights.tensors import Tensors
from composer.engine.weights.writing import Construction, write
from composer.methods.teaching.adamw import AdamW
from composer.methods.teaching.lessons import TeacherAnswers, TeacherDistributions
from composer.quiet import quiet
from composer.specs.derived import NAMES, SIZES, recast
from composer.specs.headers import read_json, tensors_of
from composer.values.errors import ModelError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from composer.build.students import Exercise
    from composer.build.training import Course, Lessons
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
class Classroom:
    """A student in memory, who teaches it, where its work is kept, and who hears how far it is.

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

    def exercise(self, document: Document) -> Exercise:
        """Return a document in the student's tokens."""
        return exercise(self.student, self.model.sources[0].weights.chat, document)


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
        room = Classroom(model, student, work, engine, tell)
        lessons = _LESSONS[type(model.lesson)](room)
    module = student.module.float().requires_grad_()
    with quiet():
        interpolate = getattr(model.lesson, "interpolate", None)
        course = train(module, lessons, room.how, work / "training", tell, interpolate)
        _write(model, student, donor.folder, folder, course)


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


def _taught(room: Classroom) -> Lessons:
    """Return the lessons of teachers' distributions."""
    lesson = room.model.lesson
    assert isinstance(lesson, TeacherDistributions)
    texts = _documents(room)
    exercises = [room.exercise(each) for each in texts]
    lectures = [lecture(room.engine, t, texts, lesson, room.tell) for t in room.model.teachers]
    space, end = space_of(room.student), end_of(room.student) if room.student.ends else NONE
    heard = [Interpreter.of(lesson.align, space, end, said, exercises) for said in lectures]

    @lru_cache(maxsize=2048)
    def said_of(number: int) -> TopTokens:
        pairs = zip(heard, lectures, strict=True)
        own = [hear(exercises[number], said[number]) for hear, said in pairs]
        return target(exercises[number], own, lesson.fuse, lesson.top)[0]

    return Taught(exercises, lesson, said_of)


def _answers(room: Classroom) -> Lessons:
    """Return the lessons of teachers' answers."""
    lesson = room.model.lesson
    assert isinstance(lesson, TeacherAnswers)
    asked = questions(room.model.corpus)
    pairs = answered(room.model.teachers, asked, lesson, room.engine, room.work, room.tell)
    texts = [Document(query, text, end=True) for query, text in pairs]
    _refuse(room, texts)
    return Texts([room.exercise(each) for each in texts])


_LESSONS: dict[type, Callable[[Classroom], Lessons]] = {
    TeacherDistributions: _taught,
    TeacherAnswers: _answers,
}
"""What makes the lessons of a student, by what it learns."""


def _documents(room: Classroom) -> list[Document]:
    """Read the corpus, with the space before answers that the student writes itself."""
    vocabulary = room.student.vocabulary
    texts = documents(room.model.corpus, room.how.length, lambda text: len(vocabulary.encode(text)))
    _refuse(room, texts)
    return _spaced(room, texts)


def _refuse(room: Classroom, texts: Sequence[Document]) -> None:
    if room.model.test is not None:
        refuse_overlap(room.model.corpus, texts, room.model.test)


def _spaced(room: Classroom, texts: list[Document]) -> list[Document]:
    """Put a space before answers, if the student finds them likelier so."""
    tried = [each for each in texts if each.query is not None][:TRIED]
    if not tried:
        return texts
    lesson = TeacherDistributions(top=1)
    student = room.model.sources[0]

    def lost(some: Sequence[Document]) -> float:
        heard = read(room.engine(), student, some, lesson)
        return sum(each.said.nats.sum().item() for each in heard)

    if lost(list(map(_with_space, tried))) >= lost(tried):
        return texts
    return list(map(_with_space, texts))


def _with_space(document: Document) -> Document:
    if document.query is None or document.text[:1].isspace():
        return document
    return Document(document.query, f" {document.text}", document.end)


def _write(
    model: Distilled, student: LocalModel, donor: Path, folder: Path, course: Course
) -> None:
    """Write a trained student with the files of its donor, and its numbers in the donor's types."""
    with TemporaryDirectory(dir=folder.parent) as temporary:
        student.module.save_pretrained(temporary)
        with Tensors(Path(temporary)) as trained:
            headers = _typed(trained.headers, tensors_of(donor), model.dtype)
            write(folder, Construction(donor, headers, trained.read), model.dtype)
    (folder / HISTORY).write_text(_history(course), encoding="utf-8")


def _typed(
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


def _history(course: Course) -> str:
    """Return what was lost in training and on texts held out, as a table."""
    rows = [
        f"{step}\t{lost:.6f}\t{'' if held is None else format(held, '.6f')}"
        for step, lost, held in course.history
    ]
    return "\n".join(["step\ttraining\theld_out", *rows, ""])

"""Graders that look for something in the answer: a pattern, the letter or text of an option."""

from typing import ClassVar

from pydantic import Field, field_validator

from composer import metrics
from composer.methods.graders.base import NO_REFERENCE, Grade, Grader, Submission
from composer.methods.patterns import matches_of, readable_pattern
from composer.methods.readers.options import Option

__all__ = ["Choice", "Regex"]


class Regex(Grader):
    r"""A regular expression matches the answer, such as `regex("(?i)answer: *yes")`.

    Without a `pattern`, the references of the row are the patterns. With `whole`, all of the answer
    must match; with `ignore_case`, case does not count. To compare what a pattern reads, write
    `exact(reader = pattern("#### (.+)"))`.
    """

    name: ClassVar[str] = "regex"
    pattern: str | None = None
    whole: bool = False
    ignore_case: bool = False

    @field_validator("pattern")
    @classmethod
    def _compiles(cls, pattern: str | None) -> str | None:
        return None if pattern is None else readable_pattern(pattern)

    @property
    def compares(self) -> bool:
        """Whether the references are the patterns."""
        return self.pattern is None

    def measure(self, submission: Submission) -> Grade:
        """Return 1 for an answer that a pattern matches, else 0; no pattern gives no score."""
        patterns = submission.references if self.pattern is None else (self.pattern,)
        if not patterns:
            return NO_REFERENCE
        for pattern in patterns:
            try:
                readable_pattern(pattern)
            except ValueError as error:
                return Grade(None, None, pattern, f"the reference is no pattern: {error}")
            matches = matches_of(self._full(pattern), submission.answer)
            if matches:
                return Grade(1.0, matches[0][0], pattern)
        return Grade(0.0, None, patterns[0], "no match")

    def _full(self, pattern: str) -> str:
        pattern = f"(?i:{pattern})" if self.ignore_case else pattern
        return rf"\A(?:{pattern})\Z" if self.whole else pattern


class Choice(Grader):
    """The letter of a multiple-choice answer is that of the reference.

    `options` are the letters. The letter is read out of prose as by the reader `choice`. Where the
    row has the texts of the options in a list, in the field that `texts` names, an answer may also
    give the text of one option instead of its letter, and so may the reference.
    """

    name: ClassVar[str] = "choice"

    options: str = Field(default="ABCD", min_length=1)
    texts: str = "choices"

    def measure(self, submission: Submission) -> Grade:
        """Return 1 for the right letter, 0 for another one or for none."""
        if not submission.references:
            return NO_REFERENCE
        given = submission.fields.get(self.texts)
        texts = [str(text) for text in given] if isinstance(given, list | tuple) else []
        letters = "".join(chr(ord("A") + at) for at in range(len(texts)))
        letters = letters if len(letters) > len(self.options) else self.options
        right = [self._of_reference(one, letters, texts) for one in submission.references]
        known = [letter for letter in right if letter is not None]
        if not known:
            reference = submission.references[0]
            why = f"the reference is none of the options {', '.join(letters)}"
            return Grade(None, None, reference, why)
        letter = Option(options=letters).read_answer(submission.answer, {"options": texts})
        reason = "" if letter else "the answer names no single option"
        return Grade(float(letter in known), letter, known[0], reason)

    def _of_reference(self, reference: str, letters: str, texts: list[str]) -> str | None:
        bare = reference.strip().strip("().")
        if len(bare) == 1 and bare.upper() in letters.upper():
            return letters[letters.upper().index(bare.upper())]
        same = [at for at, text in enumerate(texts) if metrics.exact(text, reference)]
        return letters[same[0]] if len(same) == 1 else None

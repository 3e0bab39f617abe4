"""Mathematical answers: read out of a text, and compared by value, through math-verify."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from composer import metrics
from composer.methods.agreements.base import Agreement, Matrix
from composer.methods.readers.basic import Reader
from composer.metrics.numbers import plain_number
from composer.sandbox.mathematics import classes, last_expression

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from composer.values import Asker, Text

_PACKAGES = {"math_verify": "eval"}


class Latex(Reader):
    r"""The last mathematical answer of a text, as it is written: a box, TeX, or an expression.

    Without TeX, what follows `answer` or stands on the last line is read, if it is an expression
    such as `2*sqrt(3)` or `[0, 1)`, else the last number. Compare what is read with `by = math()`.
    Needs the extra `eval`.
    """

    name: ClassVar[str] = "latex"
    paper: ClassVar[str] = "https://github.com/huggingface/Math-Verify"

    def packages(self) -> Mapping[str, str]:
        """Return the package that reads mathematics."""
        return _PACKAGES

    def read(self, text: str) -> str | None:
        """Return the expression without the signs of TeX around it."""
        return last_expression(text) or plain_number(text)

    async def read_all(self, texts: Sequence[Text], ask: Asker) -> list[str | None]:
        """Read the texts in a thread, since an expression may take seconds."""
        return await ask.compute(lambda: [self.read(text.text) for text in texts])


class Math(Agreement):
    r"""The same mathematical value: `1/2` is `0.5`, `50\%` and `\frac{2}{4}`.

    Sets, intervals, tuples, matrices and expressions with variables are compared as such; `x = 5`
    says the same as `5`, and decimals are rounded to six places. Answers of one value are one
    group, whatever the order. What is no mathematics, or takes more than five seconds to work out,
    is compared as by `exact()`. Needs the extra `eval`.
    """

    name: ClassVar[str] = "math"
    paper: ClassVar[str] = "https://github.com/huggingface/Math-Verify"

    def packages(self) -> Mapping[str, str]:
        """Return the package that compares mathematics."""
        return _PACKAGES

    def same(self, left: str, right: str) -> float:
        """Return 1 for equal values, else 0."""
        return self.matrix((left, right))[0][1]

    def matrix(self, texts: Sequence[str]) -> Matrix:
        """Return which texts have one value."""
        words = [metrics.normalised(text) for text in texts]
        pairs = zip(classes(texts), words, strict=True)
        keys = [word if number is None else number for number, word in pairs]
        return tuple(tuple(float(left == right) for right in keys) for left in keys)

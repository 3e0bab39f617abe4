"""Every error that a person reads has a code, a message and help, and holds no secret."""

import pytest

from composer.data import BadRow, Unreadable
from composer.diagnostics.errors import CodedError
from composer.diagnostics.secrets import hide
from composer.methods.mistakes import PartError, TemplateError
from composer.run import Failure
from composer.values.errors import ModelError, described


@pytest.mark.parametrize("kind", [CodedError, ModelError, PartError, Unreadable, Failure])
def test_all_kinds_have_one_form(kind):
    error = kind("E701", "it failed", "try again")

    assert described(error) == ("E701", "it failed", "try again")
    assert error.diagnostic().as_dict()["help"] == "try again"
    assert "it failed" in str(error)


def test_some_kinds_have_a_code_of_their_own():
    assert described(TemplateError("no", "do"))[0] == "E708"
    assert described(BadRow("no", "do"))[0] == "E504"


def test_secrets_are_stars_in_all_texts():
    hide("sesame-open")

    error = CodedError("E701", "sesame-open is wrong", "replace sesame-open")

    assert (str(error), error.help) == ("*** is wrong", "replace ***")


def test_an_error_of_another_library_is_named_even_if_it_has_a_code_and_a_message():
    class Foreign(Exception):  # noqa: N818
        code, message = "invalid_key", "no"

    assert described(Foreign("wrong"))[:2] == ("E701", "Foreign: wrong")

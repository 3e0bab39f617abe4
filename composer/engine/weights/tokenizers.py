"""The tokenizer of a model behind a server, read on this machine."""

from __future__ import annotations

from typing import TYPE_CHECKING

from composer.checkpoints.folder import tokenizer_files_of
from composer.checkpoints.prompts import stated_facts
from composer.engine.weights.fetching import fetched
from composer.engine.weights.loading import refused, tokenizer_of
from composer.engine.weights.tokens import TokenModel
from composer.quiet import quiet
from composer.specs.content import OF_TOKENIZER
from composer.values.errors import ModelError

if TYPE_CHECKING:
    from composer.specs import TokenAccess

__all__ = ["load_tokens"]


@quiet()
def load_tokens(name: str, access: TokenAccess) -> TokenModel:
    """Load a tokenizer, downloaded if it is on a hub; raises ModelError (E5xx)."""
    weights = access.tokenizer
    if weights.location.startswith((".", "/", "~")) and not weights.local:
        raise ModelError("E501", f"{name}: there is no folder {weights.location}")
    try:
        files = tokenizer_files_of(fetched(weights, OF_TOKENIZER))
        encoder, tokenizer = tokenizer_of(files)
    except ModelError as error:
        text = f"the tokenizer of {name} cannot be loaded: {error.message}"
        raise ModelError(error.code, text, error.help) from error
    except Exception as error:
        raise refused(name, weights, error) from error
    facts = stated_facts(files, encoder)
    context = facts.context if access.context is None else access.context
    return TokenModel(tokenizer, encoder, name, facts._replace(context=context))

"""`endpoint(...)`: the declaration of a model behind a server, and what it can do."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import TYPE_CHECKING

from composer.backends.endpoint.asking.served import CHAT_TOP
from composer.backends.endpoint.chain import refuse_own_address
from composer.backends.endpoint.endpoint_card import PRESUMED, abilities_of, card_of, servers_of
from composer.backends.endpoint.faults import missing_package
from composer.backends.endpoint.options import EndpointOptions
from composer.backends.endpoint.probing.kept_abilities import findings_of
from composer.backends.endpoint.tokenizer_files import digest_of
from composer.diagnostics.amounts import counted
from composer.specs.declaration import LOGITS, TokenAccess, Weights
from composer.values.errors import ModelError
from composer.values.thinking import Thinking

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from composer.backends.endpoint.abilities import Abilities
    from composer.specs.declaration import ServerFacts
    from composer.values.card import Card
    from composer.values.details import TokenDetail
    from composer.values.requests import Client

__all__ = ["Endpoint"]


ENOUGH = 20
"""How many likeliest tokens are asked for where others can be asked for by their ids."""

DISTINCT = 64
"""How many likeliest tokens are asked for where a server names them by their texts.

Further down are tokens of lone bytes, whose texts others have: one entry then hides the other.
"""


class Endpoint(EndpointOptions):
    """A model behind a server that speaks OpenAI's protocol.

    `url` is the server's address up to `/v1`, or a list of addresses that are tried in this order.
    `key` names the variable of the environment that holds the key, `key = env("NAME")`; a key in a
    recipe is an error. Without `key` none is sent, except that OpenAI's own address is sent
    `OPENAI_API_KEY`. `api` is how the model is asked: as a chat, by `completions` of a text, or
    `auto`, a chat where the server has one. `tokenizer` is a folder or the id of a model on a hub;
    its `template` and `template_args` (as in `hf`) write prompts where the server is asked by
    completions, and its vocabulary says what token ids stand for. `thinking` is the tag around
    thoughts, such as `think`, which are not part of the answer.

    What a server can do is found by a few small requests (`compose doctor`), and kept. `abilities`
    states some of it: `abilities = [top: 20, several: false]`. With `probe = false` nothing is
    asked: what the recipe does not state is then lacking.

    At most `concurrency` requests are open at once, and at most `requests_per_minute` and
    `tokens_per_minute` are sent. A request that fails is sent again up to `retries` times, for
    `deadline` seconds in all. An attempt ends when no further byte has come for `idle` seconds.
    """

    @property
    def aliases(self) -> tuple[str, ...]:
        """The model's name at the server, and its last part."""
        return tuple(dict.fromkeys((self.model.rpartition("/")[2] or self.model, self.model)))

    @property
    def most_draws(self) -> int:
        """As many as its server is known to give at once."""
        return (self.abilities_now or self.stated(PRESUMED)).most_draws

    def missing_detail(self, detail: TokenDetail) -> str:
        """Say what a chat, or else a completion, does not tell of each token.

        Of a server that has not been asked, it is presumed that it tells as many as a chat may.
        """
        has = self.abilities_now or self.stated(replace(PRESUMED, top=CHAT_TOP))
        top, ids = (CHAT_TOP, 0) if self.by_chat(has) else (has.top, has.chosen)
        if detail.top > top:
            return f"tells {counted(top, 'likeliest token')} at most"
        if len(detail.ids) > ids:
            return f"tells {counted(ids, 'chosen id')} at most"
        if detail.top and detail.ids:
            return "tells chosen ids in place of the likeliest tokens, so only one can be had"
        return ""

    @property
    def reads_media(self) -> bool:
        """Whether it is asked as a chat, as far as that is known."""
        return self.by_chat(self.abilities_now or PRESUMED)

    @property
    def reasoning(self) -> Thinking | None:
        """The tag that the recipe names."""
        return None if self.thinking is None else Thinking((self.thinking,))

    @property
    def abilities_now(self) -> Abilities | None:
        """What is known of the server at present; None before it has been asked."""
        return abilities_of(self)

    @property
    def honours(self) -> frozenset[str]:
        """Those that the server is known to heed; all of them, before it has been asked."""
        has = self.abilities_now or self.stated(PRESUMED)
        penalties = {"presence_penalty", "frequency_penalty"} if has.penalties else set()
        others = {n for n in ("logit_bias", "min_tokens", "schema") if getattr(has, n)}
        repetition = has.repetition_penalty or has.repeat_penalty
        every = LOGITS | {"schema"}
        return every & (penalties | others | ({"repetition_penalty"} if repetition else set()))

    @property
    def ignores(self) -> frozenset[str]:
        """Those that the server is known not to heed."""
        has = self.abilities_now or self.stated(PRESUMED)
        drawing = {name for name in ("top_k", "min_p") if not getattr(has, name)}
        return LOGITS - self.honours | drawing

    @property
    def token_access(self) -> TokenAccess | None:
        """How its next tokens are read, if its tokenizer is named and completions tell them."""
        return self._access(self.abilities_now or self.stated(PRESUMED))

    @property
    def servers(self) -> tuple[ServerFacts, ...]:
        """What is known of each address."""
        return servers_of(self)

    @property
    def unexplored(self) -> bool:
        """Whether an address has not been asked what it gives, and may be."""
        return self.probe and bool(findings_of(self).missing)

    async def explore(self, name: str, *, anew: bool = False) -> Mapping[str, ModelError]:
        """Ask the addresses of which nothing is known, or all `anew`, and keep what they give."""
        from composer.backends.endpoint.probing.exploration import explore

        found = await explore(self, name, anew=anew) if self.probe else {}
        return {url: each for url, each in found.items() if isinstance(each, ModelError)}

    def card(self) -> Card:
        """Say what the server is known to do, without asking it."""
        return card_of(self)

    def faults(self) -> Sequence[ModelError]:
        """Say that the package is missing, or the key which the official address needs."""
        missing = missing_package()
        if missing is not None:
            return (missing,)
        variable = self.key_variable
        if variable is None or os.environ.get(variable):
            return ()
        message = f"a key is needed at {self.addresses[0]}, and `{variable}` is not set"
        help_ = (
            f'export {variable}=..., name another variable: `key = env("NAME")`, or give a `url`'
        )
        return (ModelError("E402", message, help_),)

    def identity(self) -> str:
        """The model and its addresses, and what writes its prompts."""
        return self._named(self.tokenizer or "", str(self.chat))

    def content(self) -> str:
        """The model and its addresses in any order, and what the tokenizer's files hold."""
        folder = self.folder
        held = digest_of(folder) if folder is not None else self.tokenizer
        return self._named(held or "", self.chat.content())

    async def open(self, name: str) -> Client:
        """Open a client; the server is asked what it can do, unless that is known.

        Raises ModelError (E721) where this process itself serves at one of the addresses.
        """
        from composer.backends.endpoint.client import open_client

        refuse_own_address(name, self.addresses)
        if self.unexplored:
            await self.explore(name)
        gives = self.abilities_now or self.stated(PRESUMED)
        return await open_client(self, name, gives)

    def _access(self, has: Abilities) -> TokenAccess | None:
        if self.tokenizer is None or not (has.completions and has.top):
            return None
        most = ENOUGH if has.chosen else has.top if has.ids else DISTINCT
        top = min(has.top, most)
        tokenizer = Weights(self.identity(), self.tokenizer, chat=self.chat)
        return TokenAccess(tokenizer, top, has.chosen, has.context or None)

    def _named(self, tokenizer: str, chat: str) -> str:
        addresses = ",".join(sorted(self.addresses))
        stated = sorted(self.overrides.items())
        return "|".join(
            (
                f"endpoint:{self.model}",
                addresses,
                self.api,
                tokenizer,
                chat,
                self.thinking or "",
                str(stated),
            )
        )

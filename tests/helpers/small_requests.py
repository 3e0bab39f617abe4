"""What a request asks of the small server, and what of that it is given."""

from pathlib import Path

from small_replies import RefusedError
from small_sampling import Sampling
from small_schedule import Order

SAMPLING = {
    "penalties": ("presence_penalty", "frequency_penalty"),
    "repetition_penalty": ("repetition_penalty",),
    "logit_bias": ("logit_bias",),
    **{name: (name,) for name in ("top_k", "min_p", "min_tokens")},
}
"""The options of a request that a server may lack, by ability."""

SHORT = {
    "presence_penalty": "presence",
    "frequency_penalty": "frequency",
    "repetition_penalty": "repetition",
    "logit_bias": "bias",
}


class Requests:
    """Reads requests to a model, as a server of some options does."""

    def __init__(self, options, model):
        self.options, self.model = options, model
        self.name = options.name or Path(options.model).name

    def lets(self, ability, *, wanted=True):
        """Say whether what a request wants is given; refuse it where this server does so."""
        if wanted and ability in self.options.refuses:
            raise RefusedError(f"{ability} is not supported by this server", param=ability)
        return bool(wanted) and ability not in self.options.lacks

    def offers(self, address):
        if not self.lets(address):
            raise RefusedError("Not Found", 404)

    async def body(self, request):
        """Read a request, and hold its model against the one that is served."""
        try:
            body = await request.json()
        except ValueError:
            raise RefusedError("The body is no JSON") from None
        if body.get("model", self.name) != self.name:
            message = f"The model `{body['model']}` does not exist."
            raise RefusedError(message, 404, param="model")
        return body

    def prompts(self, body):
        """Read the prompts of a completion as token ids."""
        prompt = body.get("prompt")
        if isinstance(prompt, str):
            prompt = [prompt]
        if not isinstance(prompt, list) or not prompt:
            raise RefusedError("A prompt is a text, a list of texts, or token ids", param="prompt")
        if isinstance(prompt[0], int):
            prompt = [prompt]
        if isinstance(prompt[0], list) and not self.lets("prompt_ids"):
            prompt = [" ".join(map(str, each)) for each in prompt]
        if len(prompt) > 1 and not self.lets("batch"):
            prompt = prompt[:1]
        return [each if isinstance(each, list) else self.model.encode(each) for each in prompt]

    def rendered(self, body):
        """Write a conversation as the model's template does; return its token ids."""
        if self.model.tokenizer.chat_template is None:
            raise RefusedError("The model has no chat template", param="messages")
        messages = [message | {"content": _plain(message)} for message in body["messages"]]
        wanted = bool(body.get("continue_final_message"))
        goes_on = wanted and self.lets("continues")
        return self.model.tokenizer.apply_chat_template(
            messages,
            add_generation_prompt=not goes_on,
            continue_final_message=goes_on,
            return_dict=False,
        )

    def order(self, body, top, most):
        """Read how the answers are to be written."""
        chosen = tuple(body.get("logprob_token_ids") or ())
        if top is not None and not self.lets("logprobs"):
            top, chosen = None, ()
        if chosen and not self.lets("chosen_ids"):
            chosen = ()
        if chosen and top is None:
            raise RefusedError("logprob_token_ids needs logprobs", param="logprob_token_ids")
        if len(chosen) > self.options.chosen or any(
            not 0 <= token < self.model.vocabulary for token in chosen
        ):
            raise RefusedError(
                "logprob_token_ids: too many, or no tokens", param="logprob_token_ids"
            )
        if top is not None and top > self.options.top:
            if self.lets("top"):
                raise RefusedError(
                    f"Requested sample logprobs of {top}, which is greater than max allowed: "
                    f"{self.options.top}",
                    param="logprobs",
                )
            top = self.options.top
        stops = body.get("stop") or ()
        stops = (stops,) if isinstance(stops, str) else tuple(stops)
        return Order(
            most=most,
            sampling=self.sampling(body, most),
            seed=body.get("seed") if self.lets("seed", wanted="seed" in body) else None,
            stops=stops if self.lets("stop", wanted=stops) else (),
            top=top,
            chosen=chosen,
            endless=bool(body.get("ignore_eos")),
            streams=bool(body.get("stream")),
        )

    def sampling(self, body, most):
        """Read how the next token is drawn."""
        values = {"temperature": body.get("temperature"), "top_p": body.get("top_p")}
        for ability, names in SAMPLING.items():
            wanted = {name: body[name] for name in names if body.get(name) is not None}
            if self.lets(ability, wanted=wanted):
                values |= wanted
        values = {SHORT.get(name, name): each for name, each in values.items() if each is not None}
        values["bias"] = {int(token): each for token, each in values.pop("bias", {}).items()}
        sampling = Sampling(**values)
        for name, low, high in (
            ("temperature", 0, 2),
            ("presence", -2, 2),
            ("frequency", -2, 2),
            ("min_tokens", 0, most),
        ):
            if not low <= getattr(sampling, name) <= high:
                raise RefusedError(f"{name} must be in [{low}, {high}]", param=name)
        return sampling

    def fits(self, prompts, order):
        """Refuse what the model cannot read or write."""
        if order.most < 1 and not order.echo:
            raise RefusedError(
                f"max_tokens must be at least 1, got {order.most}.", param="max_tokens"
            )
        for prompt in prompts:
            if not prompt or not all(0 <= token < self.model.vocabulary for token in prompt):
                raise RefusedError("A prompt is empty, or has token ids out of vocabulary")
            if len(prompt) + order.most > self.model.context:
                raise RefusedError(
                    f"This model's maximum context length is {self.model.context} tokens. However, "
                    f"you requested {order.most} output tokens and your prompt contains "
                    f"{len(prompt)} input tokens.",
                    param="input_tokens",
                )


def _plain(message):
    """Write the text parts of a message as one text."""
    content = message.get("content") or ""
    if isinstance(content, str):
        return content
    if any(part.get("type") != "text" for part in content):
        raise RefusedError("Only parts of text are read", param="messages")
    return "\n".join(part["text"] for part in content)

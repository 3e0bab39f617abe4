"""The shapes of vLLM's answers."""

import json
import time
from uuid import uuid4


class Names:
    """How tokens are named: by their texts, or as `token_id:N`."""

    def __init__(self, model, *, ids):
        self.model, self.ids = model, ids

    def __call__(self, token):
        return f"token_id:{token}" if self.ids else self.model.text([token], special=True)

    def described(self, token, score):
        """Describe a token as a chat does."""
        text = self.model.text([token], special=True)
        return {"token": self(token), "logprob": score, "bytes": list(text.encode())}


def completion_logprobs(names, tokens, likely, offset=0):
    """Give the log-probabilities of a completion; None stands for the first token of a prompt."""
    texts = [names(token) for token in tokens]
    offsets = []
    for text in texts:
        offsets.append(offset)
        offset += len(text)
    return {
        "text_offset": offsets,
        "token_logprobs": [
            None if each is None else each[token]
            for token, each in zip(tokens, likely, strict=True)
        ],
        "tokens": texts,
        "top_logprobs": [
            None if each is None else {names(token): score for token, score in each.items()}
            for each in likely
        ],
    }


def chat_logprobs(names, tokens, likely, *, top, chosen):
    """Give the log-probabilities of a chat: of each token, and of `top` or of the chosen ones.

    The token that was written is the first of the `top`, also where others are likelier.
    """
    content = []
    for token, each in zip(tokens, likely, strict=True):
        others = list(each) if chosen else list(each)[:top]
        described = names.described(token, each[token])
        described["top_logprobs"] = [names.described(other, each[other]) for other in others]
        content.append(described)
    return {"content": content}


def head(kind, name):
    """Give what all answers begin with."""
    return {
        "id": f"{'chatcmpl' if kind.startswith('chat') else 'cmpl'}-{uuid4().hex}",
        "object": kind,
        "created": int(time.time()),
        "model": name,
    }


def usage(read, written, cached):
    """Count tokens."""
    return {
        "prompt_tokens": read,
        "total_tokens": read + written,
        "completion_tokens": written,
        "prompt_tokens_details": {"cached_tokens": cached},
    }


def event(content):
    """Write an event of a stream."""
    return f"data: {json.dumps(content)}\n\n"


class RefusedError(Exception):
    """A request that the server does not answer."""

    def __init__(self, message, status=400, param=None):
        super().__init__(message)
        self.status = status
        kind = {400: "BadRequestError", 404: "NotFoundError"}[status]
        self.error = {"message": message, "type": kind, "param": param, "code": status}


def filled(schema, text):
    """Fill a JSON schema: the model's text is its strings, and numbers are the first in the text.

    No decoder follows a grammar here, so this is not what the model would have written.
    """
    if "enum" in schema:
        within = (each for each in schema["enum"] if str(each) in text)
        return next(within, schema["enum"][0])
    kind = schema.get("type")
    if kind == "object":
        return {name: filled(each, text) for name, each in schema.get("properties", {}).items()}
    if kind == "array":
        return [filled(schema.get("items", {}), text)] * schema.get("minItems", 1)
    if kind == "boolean":
        return "yes" in text.lower() or "true" in text.lower()
    if kind in ("integer", "number"):
        digits = "".join(letter if letter.isdigit() else " " for letter in text).split()
        return int(digits[0]) if digits else 0
    return None if kind == "null" else text

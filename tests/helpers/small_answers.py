"""Answers of the small server, made of rows: whole ones and chunks, of completions and of chats."""

import json

from small_replies import chat_logprobs, completion_logprobs, filled, head


class Reply:
    """What an answer of rows looks like, whole or in chunks."""

    whole_kind = chunk_kind = "text_completion"

    def __init__(self, server, body, rows, names, *, only_read):
        self.server, self.body, self.rows, self.names = server, body, rows, names
        self.only_read = only_read
        self.head = head(self.chunk_kind if body.get("stream") else self.whole_kind, server.name)
        self.sent = {id(row): (0, 0) for row in rows}

    def first(self):
        """Give the chunks before the first token."""
        return []

    def whole(self):
        """Give the whole answer."""
        choices = [self.choice(index, row) for index, row in enumerate(self.rows)]
        return self.head | {"choices": choices}

    def chunk(self, row, count, text, finish):
        """Give what a row has written since its last chunk; hold back what may become a stop."""
        tokens, letters = self.sent[id(row)]
        end = len(text)
        if not finish:
            held = max((len(stop) for stop in row.order.stops), default=1) - 1
            end = max(letters, len(text.removesuffix("\ufffd")) - held)
        self.sent[id(row)] = count, end
        choice = self.delta(self.rows.index(row), row, text[letters:end], slice(tokens, count))
        return self.head | {"choices": [choice | _end(row, finish)]}


class Completions(Reply):
    """Answers of /v1/completions."""

    def choice(self, index, row):
        text, tokens, likely = row.text, row.output, row.likely
        if row.order.echo:
            before = self.server.model.text(row.prompt)
            text = before if self.only_read else before + text
            tokens = row.prompt if self.only_read else row.sequence
            likely = row.echoed if self.only_read else row.echoed + likely
        logprobs = None
        if row.order.top is not None:
            logprobs = completion_logprobs(self.names, tokens, likely)
        return {"index": index, "text": text, "logprobs": logprobs} | _end(row, row.finish)

    def delta(self, index, row, text, part):
        logprobs = None
        if row.order.top is not None:
            logprobs = completion_logprobs(self.names, row.output[part], row.likely[part])
        return {"index": index, "text": text, "logprobs": logprobs}


class Chats(Reply):
    """Answers of /v1/chat/completions."""

    whole_kind, chunk_kind = "chat.completion", "chat.completion.chunk"

    def first(self):
        delta = {"role": "assistant", "content": ""}
        return [
            self.head
            | {"choices": [{"index": index, "delta": delta, "logprobs": None} | _end(row, None)]}
            for index, row in enumerate(self.rows)
        ]

    def choice(self, index, row):
        text, logprobs = row.text, self.logprobs(row, slice(None))
        form = self.body.get("response_format") or {}
        if form.get("type") == "json_schema" and self.server.lets("schema"):
            text, logprobs = json.dumps(filled(form["json_schema"]["schema"], text)), None
        message = {"role": "assistant", "content": text}
        return {"index": index, "message": message, "logprobs": logprobs} | _end(row, row.finish)

    def delta(self, index, row, text, part):
        return {"index": index, "delta": {"content": text}, "logprobs": self.logprobs(row, part)}

    def logprobs(self, row, part):
        if row.order.top is None:
            return None
        return chat_logprobs(
            self.names,
            row.output[part],
            row.likely[part],
            top=row.order.top,
            chosen=row.order.chosen,
        )


def _end(row, finish):
    return {"finish_reason": finish, "stop_reason": row.stop if finish else None}

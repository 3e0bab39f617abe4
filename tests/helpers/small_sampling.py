"""How the next token is drawn: options of a request, in vLLM's order."""

from dataclasses import dataclass, field

import torch

NOTHING = float("-inf")


@dataclass(frozen=True)
class Sampling:
    """The options of a request that change which token comes next."""

    temperature: float = 1.0
    top_p: float = 1.0
    top_k: int = 0
    min_p: float = 0.0
    min_tokens: int = 0
    presence: float = 0.0
    frequency: float = 0.0
    repetition: float = 1.0
    bias: dict[int, float] = field(default_factory=dict)

    @property
    def is_plain(self):
        """Say whether the likeliest token comes next, whatever came before."""
        penalties = self.presence or self.frequency or self.repetition != 1
        return not (self.temperature or self.min_tokens or penalties or self.bias)

    def next(self, logits, row, ends):
        """Draw the token behind a row's."""
        logits = self._changed(logits.clone(), row, ends)
        if self.temperature == 0:
            return int(logits.argmax())
        values, ids = (logits / self.temperature).softmax(-1).sort(descending=True, stable=True)
        values[values < self.min_p * values[0]] = 0
        if self.top_k > 0:
            values[self.top_k :] = 0
        values[values.cumsum(-1) - values >= self.top_p * values.sum()] = 0
        return int(ids[torch.multinomial(values, 1, generator=row.source)])

    def _changed(self, logits, row, ends):
        """Add the biases, forbid an early end, and take the penalties off."""
        for token, bias in self.bias.items():
            logits[token] += bias
        if len(row.output) < self.min_tokens:
            logits[list(ends)] = NOTHING
        size = len(logits)
        output = torch.tensor(row.output, dtype=torch.long).bincount(minlength=size)
        if self.repetition != 1:
            seen = (torch.tensor(row.prompt).bincount(minlength=size) + output) > 0
            factor = torch.where(logits > 0, 1 / self.repetition, self.repetition)
            logits = torch.where(seen, logits * factor, logits)
        return logits - self.frequency * output - self.presence * (output > 0)

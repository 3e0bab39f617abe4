"""Reward models that judge a step by how likely a language model finds its tokens.

A wrong step has a token that the model did not expect. The log-probabilities are those of a
language model that was trained together with the head, on right and wrong steps: so they are no
longer those of a text, but say what is right. See also implicit rewards, arXiv:2412.01981.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from composer.heavy import torch, transformers

if TYPE_CHECKING:
    from torch import Tensor
    from transformers import PreTrainedConfig

__all__ = ["FEATURES", "Likelihoods", "step_likelihood"]

FEATURES = 3
"""Of a step up to a token: its most unlikely token, against the likeliest one in its place and by
itself, and the sum of all; log-probabilities in nats."""

LEAST, LEAST_SUM = -12.0, -20.0
FAR = 16.0
"""More than what a minimum can be below 0: it parts the running minima of two steps."""


class Likelihoods:
    """Loads a folder whose class is that of `step_likelihood`, in the manner of transformers."""

    def from_pretrained(self, folder: str, **how: Any) -> Any:  # noqa: ANN401 - as transformers
        """Load it."""
        from composer.engine.weights.loading import config_of

        config = config_of(folder)
        return step_likelihood(config).from_pretrained(folder, config=config, **how)


def step_likelihood(config: PreTrainedConfig) -> Any:  # noqa: ANN401 - a class made for a config
    """Return the class of language models of this kind with a head on `FEATURES` and two labels.

    `config.step_end_id` is the token that ends a step. `forward` returns logits [row, token, 2].
    """
    known = transformers.MODEL_FOR_CAUSAL_LM_MAPPING[type(config)]

    class StepLikelihood(known):  # type: ignore[misc, valid-type]  # the class is looked up
        def __init__(self, config: PreTrainedConfig) -> None:
            super().__init__(config)
            self.score = torch.nn.Linear(FEATURES, 2)
            self.post_init()

        def logprobs(self, ids: Tensor, mask: Tensor | None = None) -> tuple[Tensor, Tensor]:
            """Log-probabilities [row, token] of tokens, and of the likeliest in their places."""
            out = super().forward(input_ids=ids, attention_mask=mask, use_cache=False)
            logprobs = out.logits[:, :-1].float().log_softmax(-1)
            own = logprobs.gather(-1, ids[:, 1:, None])[..., 0]
            pad = torch.nn.functional.pad
            return pad(own, (1, 0)), pad(logprobs.max(-1).values, (1, 0))

        def judged(self, ids: Tensor, own: Tensor, best: Tensor) -> Tensor:
            """Logits [row, token, 2]: whether a step is wrong or right as far as each token."""
            features = _features(own, own - best, ids == self.config.step_end_id)
            logits: Tensor = self.score(features.to(self.score.weight.dtype))
            return logits

        def forward(  # the class's own arguments, for which there are no others
            self,
            input_ids: Tensor,
            attention_mask: Tensor | None = None,
            past_key_values: object = None,
            use_cache: object = None,
        ) -> Any:  # noqa: ANN401 - as transformers
            del past_key_values, use_cache
            logits = self.judged(input_ids, *self.logprobs(input_ids, attention_mask))
            return transformers.modeling_outputs.TokenClassifierOutput(logits=logits)

    StepLikelihood.__name__ = known.__name__.replace("ForCausalLM", "ForStepLikelihood")
    return StepLikelihood


def _features(own: Tensor, gaps: Tensor, ends: Tensor) -> Tensor:
    """Return the features [row, token, 3] of each step as far as each token, itself included."""
    step = torch.nn.functional.pad(ends.float().cumsum(1)[:, :-1], (1, 0))  # [row, token]
    clamped = [each.clamp(min=LEAST) for each in (gaps, own)]
    least = [(each - step * FAR).cummin(1).values + step * FAR for each in clamped]
    total = own.cumsum(1)
    before = torch.where(ends, total, torch.zeros_like(total)).cummin(1).values
    total = total - torch.nn.functional.pad(before[:, :-1], (1, 0))
    return torch.stack([*least, total.clamp(min=LEAST_SUM)], -1)

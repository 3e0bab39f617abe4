"""Training the parts of a fuse that learn from texts: gates over tokens, and learned weights.

`hear` reads answers to a fuse's members; the functions named after parts make of that a state,
which `composer.methods.fitted.save` writes into a file for `file = ...` in a recipe:

    with Engine() as engine:
        heard = hear(engine, fuse, [("What is 17 plus 25?", " 42"), ...], hidden=True)
    save("trust.safetensors", routed(heard))
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from composer.fit.logistic import logistic
from composer.fit.settings import not_trainable
from composer.heavy import np, torch
from composer.values import Query, State

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray

    from composer.engine.engine import Engine
    from composer.engine.sessions.teacher_forcing import MemberReadings
    from composer.engine.weights.local import LocalModel
    from composer.methods.estimators.nets import Loss
    from composer.methods.estimators.values import Floats
    from composer.specs import TokenFuse

__all__ = [
    "read_members",
    "train_critical",
    "train_expert",
    "train_learned",
    "train_mapped",
    "train_routed",
]

_FEWEST = 2  # of each label: below that nothing can be told apart


def read_members(
    engine: Engine, fuse: TokenFuse, texts: Iterable[tuple[str, str]], *, hidden: bool = False
) -> MemberReadings:
    """Read (question, answer) pairs to all members, whatever gate or weights the fuse has.

    An answer is read as it would be written, with the space that many models begin with.
    """
    from composer.engine.sessions.teacher_forcing import MemberReadings

    ungated = replace(fuse, gate=None, weigh=None, draft=None, lazy=False, leave=False)
    futures = [
        engine.teacher_force(ungated, Query.of(question), answer, hidden=hidden)
        for question, answer in texts
    ]
    if not futures:
        raise not_trainable("there is no text to fit on")
    return MemberReadings.join([future.result() for future in futures])


def train_mapped(pivot: LocalModel, others: Sequence[LocalModel]) -> State:
    """Teach `mapped` alignments what the tokens of others are in the first member's vocabulary.

    From the output embeddings alone, with EVA's options (arXiv:2404.09492).
    """
    from composer.methods.align.mapped import learn_mapping

    return learn_mapping(pivot, others)


def train_learned(readings: MemberReadings, names: Sequence[str], *, decay: float = 1e-3) -> State:
    """Teach `learned` weights: the gate whose mean of the members loses least on what came.

    Minimises the mean of -log sum_i g_i p_i, g the softmax of linear functions of each member's
    features, plus `decay` times the squared coefficients, by L-BFGS from even weights.
    """
    features, logprobs = readings.features.clone(), readings.logprobs.clamp(min=-100.0).clone()
    mean, scale = features.mean((0, 1)), features.std((0, 1)).clamp(min=1e-6)
    inputs = (features - mean) / scale
    gate = torch.zeros(inputs.shape[1], inputs.shape[2] + 1, requires_grad=True)
    optimizer = torch.optim.LBFGS([gate], max_iter=200, line_search_fn="strong_wolfe")

    def loss() -> torch.Tensor:
        optimizer.zero_grad()
        scores = (inputs * gate[:, :-1]).sum(-1) + gate[:, -1]
        nats = -(scores.log_softmax(-1) + logprobs).logsumexp(-1).mean()
        nats = nats + decay * gate.square().sum()
        nats.backward()  # type: ignore[no-untyped-call]
        return nats

    optimizer.step(loss)  # type: ignore[no-untyped-call]
    slopes = gate.detach()[:, :-1] / scale
    folded = torch.cat([slopes, gate.detach()[:, -1:] - slopes @ mean[:, None]], 1)
    return State({"gate": folded.numpy()}, {"part": "learned", "names": list(names)})


def train_expert(readings: MemberReadings, names: Sequence[str], *, decay: float = 1e-3) -> State:
    """Teach the weights `expert`: a linear head that picks an expert by the first's hidden state.

    Minimises the mean of -log sum_i g_i p_i over the experts, g = softmax(W h + b), plus `decay`
    times the squared weights of standardised states, by L-BFGS from even shares. Only positions
    count at which the experts' likeliest tokens differ (FusionRoute's informative ones). The
    members are frozen.
    """
    experts = readings.likeliest[:, 1:]
    informative = (experts != experts[:, :1]).any(1)
    if int(informative.sum()) < _FEWEST:
        text = "the members after the first have the same likeliest token nearly everywhere"
        raise not_trainable(text, "use texts on which the members are different")
    hidden = readings.hidden[informative].float()
    if not hidden.shape[1]:
        raise not_trainable("`expert` is fitted on hidden states", "collect them: `hidden = True`")
    mean, scale = hidden.mean(0), hidden.std(0).clamp(min=1e-6)
    x = torch.cat([(hidden - mean) / scale, torch.ones(len(hidden), 1)], 1)
    logprobs = readings.logprobs[informative, 1:].clamp(min=-100.0)
    head = torch.zeros(logprobs.shape[1], x.shape[1], requires_grad=True)
    optimizer = torch.optim.LBFGS([head], max_iter=200, line_search_fn="strong_wolfe")

    def loss() -> float:
        optimizer.zero_grad()
        shares = (x @ head.T).log_softmax(-1)
        nats = -(shares + logprobs).logsumexp(-1).mean() + decay * head[:, :-1].square().sum()
        nats.backward()  # type: ignore[no-untyped-call]
        return nats.item()

    optimizer.step(loss)  # type: ignore[no-untyped-call]
    slopes = head.detach()[:, :-1] / scale
    folded = torch.cat([slopes, head.detach()[:, -1:] - slopes @ mean[:, None]], 1)
    facts = {"part": "expert", "names": list(names[1:]), "tokens": len(x)}
    return State({"head": folded.numpy()}, facts)


def train_critical(readings: MemberReadings) -> State:
    """Teach the gate `critical`: a logistic classifier of the lead's distribution.

    A token is critical where the lead's likeliest is not what came, and another member's is; both
    kinds of tokens weigh alike. Tokens that nobody gets right are left out.
    """
    decided, labels = _labels(readings)
    inputs = readings.features[:, 0].numpy().astype(np.float64)[decided]
    slopes, constant = logistic(inputs, ~labels, balanced=True)
    arrays = {
        "w0": slopes[:, None].astype(np.float32),
        "b0": np.array([constant], dtype=np.float32),
    }
    return State(arrays, {"part": "critical", "sees": "distribution", **_counts(labels)})


def train_routed(
    readings: MemberReadings, *, width: int = 0, steps: int = 500, rate: float = 1e-3, seed: int = 0
) -> State:
    """Teach the gate `routed`: how far the lead's next token is to be trusted.

    CITER's perceptron over the lead's last hidden states, size to 2 width to width to 1 (`width`
    0: the states' size), by binary cross-entropy. The label is 1 where the lead's likeliest token
    is what came, 0 where only another member's is. Left out: labels by rolling the answer out
    where neither is right (such tokens are not learnt from), batch normalisation and dropout
    (inputs are standardised instead), and further rounds on answers written with the router.
    """
    from composer.methods.estimators.nets import layers, train

    decided, labels = _labels(readings)
    inputs = readings.hidden.numpy().astype(np.float32)[decided]
    if not inputs.shape[1]:
        raise not_trainable(
            "`routed` is fitted on hidden states", "collect them with `hidden = True`"
        )
    mean, scale = inputs.mean(0), inputs.std(0).clip(min=1e-6)
    size = width or inputs.shape[1]
    weights = layers((inputs.shape[1], 2 * size, size, 1), np.random.default_rng(seed))
    weights = train(
        weights,
        _cross_entropy((inputs - mean) / scale, labels),
        len(labels),
        seed=seed,
        steps=steps,
        rate=rate,
    )
    weights["b0"] = weights["b0"] - (mean / scale) @ weights["w0"]
    weights["w0"] = weights["w0"] / scale[:, None]
    facts = {"part": "routed", "sees": "hidden", **_counts(labels)}
    return State(dict(weights), facts)


def _labels(readings: MemberReadings) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Which tokens somebody gets right, and of those, where the lead does."""
    right: NDArray[np.bool_] = readings.correct.numpy()
    decided = np.asarray(right.any(1))
    labels = right[decided, 0]
    if min(labels.sum(), (~labels).sum()) < _FEWEST:
        text = "the first member is always right or never right when another member is right"
        raise not_trainable(text, "use texts on which the members are different")
    return decided, labels


def _counts(labels: NDArray[np.bool_]) -> dict[str, int]:
    return {"tokens": len(labels), "trusted": int(labels.sum())}


def _cross_entropy(inputs: Floats, labels: NDArray[np.bool_]) -> Loss:
    """The loss of a batch of rows, by a perceptron's weights."""
    from composer.methods.estimators.nets import forward

    x, y = torch.from_numpy(inputs), torch.from_numpy(labels).float()
    return lambda weights, rows: torch.nn.functional.binary_cross_entropy_with_logits(
        forward(weights, x[rows])[:, 0], y[rows]
    )

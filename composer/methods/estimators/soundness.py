"""Checks of fitted states before they decide anything: a fit file may hold anything.

Arrays that lead into others, such as the indices of a sparse matrix or the children of a tree,
would end the process or never come to an end where they lead nowhere; the rest is found by two
predictions.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from composer.heavy import np
from composer.methods.mistakes import PartError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    from composer.methods.estimators.values import Asked, Predictions
    from composer.values import Fitted, State

    Arrays = Mapping[str, NDArray[Any]]
    Trial = Callable[[Sequence[Asked]], Predictions]

__all__ = ["check"]

PROBES: tuple[Asked, ...] = (
    ("What is 17 plus 25?", ("maths",)),
    ("", ()),
    ("Spell it.\nThen reverse it.", ("text", "maths")),
    ("a b c", ()),
    ("17", ("maths",)),
)
SIZES = (3, 5)
"""Queries at a time: of two sizes, as an array may be as long as one of them by chance."""

UNKNOWN = frozenset({"quality", "cost", "dollars", "rate", "centre", "base", "slope"})
"""Arrays in which a number may be unknown."""

GUARD = ("rows", "held_out", "prior", "curve")
"""The states that a guard is made of."""

AGAIN = "fit again: `compose fit RECIPE --data FILE`"

DEEPEST = 1000
"""Splits between the root of a tree and a leaf."""

MOST_ROWS = 10_000
"""Rows that a query may be compared with where only a fact says how many there are."""


class UnsoundError(Exception):
    """What is wrong with what was learnt, in words."""


def check(part: str, fitted: Fitted, *trials: Trial) -> None:
    """Raise PartError (E507) where what a part learnt cannot be what training made.

    The trials predict for some queries: by the part alone, and with its guard.
    """
    guard = fitted.shrinkage
    if guard is not None and set(guard.facts) != set(GUARD):
        message = f"the fit of `{part}` was written by another version of the project"
        raise PartError("E507", message, AGAIN)
    try:
        for state in fitted.states.values():
            _check_state(state)
        for trial in trials:
            _check_trial(fitted, trial)
    except UnsoundError as error:
        raise _refused(part, str(error)) from None
    except PartError:
        raise
    except Exception as error:
        raise _refused(part, "its arrays do not fit together") from error


def _refused(part: str, why: str) -> PartError:
    message = f"the fit of `{part}` is damaged: {why}"
    return PartError("E507", message, AGAIN)


def _check_trial(fitted: Fitted, trial: Trial) -> None:
    for size in SIZES:
        with np.errstate(over="raise", divide="raise"):
            predictions = trial(PROBES[:size])
        _check_predictions(predictions, (size, len(fitted.names)))


def _check_predictions(predictions: Predictions, shape: tuple[int, int]) -> None:
    for each in (
        predictions.mean,
        predictions.spread,
        *([] if predictions.cost is None else [predictions.cost]),
    ):
        if each.shape != shape:
            raise UnsoundError(f"it has {each.shape[-1]} choices instead of {shape[1]}")
        if np.isinf(each).any():
            raise UnsoundError("it predicts values that are not numbers")


def _check_state(state: State) -> None:
    groups: dict[str, dict[str, NDArray[Any]]] = {}
    for key, array in state.arrays.items():
        place, _, name = key.rpartition(".")
        groups.setdefault(place, {})[name] = array
        _check_numbers(key, name, array)
    for place, arrays in groups.items():
        facts = _facts(state.facts, place)
        for names, look in _LOOKS:
            if names <= arrays.keys():
                look(arrays, facts)


def _facts(facts: Mapping[str, Any], place: str) -> Mapping[str, Any]:
    values: Any = facts
    for step in place.split(".") if place else ():
        values = values.get(step, {}) if isinstance(values, dict) else {}
    return values if isinstance(values, dict | type(facts)) else {}


def _check_numbers(key: str, name: str, array: NDArray[Any]) -> None:
    if array.dtype.kind not in "fiub":
        raise UnsoundError(f"`{key}` does not contain numbers")
    if array.dtype.kind == "f":
        bad = np.isinf(array) if name in UNKNOWN else ~np.isfinite(array)
        if bad.any():
            raise UnsoundError(f"`{key}` contains values that are not numbers")


def _inside(name: str, array: NDArray[Any], size: int) -> None:
    if array.dtype.kind not in "iu" or array.ndim != 1:
        raise UnsoundError(f"`{name}` is not a list of whole numbers")
    if len(array) and not (int(array.min()) >= 0 and int(array.max()) < size):
        raise UnsoundError(f"`{name}` has an index out of range")


def _look_sparse(arrays: Arrays, facts: Mapping[str, Any]) -> None:
    rows = len(arrays["quality"]) if "quality" in arrays else facts.get("rows")
    if isinstance(rows, bool) or not isinstance(rows, int) or not 0 <= rows <= _most(arrays):
        raise UnsoundError("`rows` is not a number of rows")
    data, indices, starts = (arrays[name] for name in ("data", "indices", "indptr"))
    _look_starts(indices, starts, rows)
    if data.ndim != 1 or len(data) != len(indices):
        raise UnsoundError("`data` and `indices` have different lengths")


def _look_words(arrays: Arrays, facts: Mapping[str, Any]) -> None:
    starts, lengths, unknown = arrays["indptr"], arrays["lengths"], facts.get("unknown")
    if lengths.ndim != 1 or not isinstance(unknown, float) or not 0 <= unknown <= MOST_ROWS:
        raise UnsoundError("the lengths of rows are not numbers")
    _look_starts(arrays["indices"], starts, len(lengths))
    if len(starts) != len(arrays["idf"]) + 1:
        raise UnsoundError("`indptr` and `idf` have different numbers of terms")


def _look_starts(indices: NDArray[Any], starts: NDArray[Any], size: int) -> None:
    """Refuse indices of rows that lead elsewhere, or starts of lists that do not increase."""
    _inside("indices", indices, size)
    _inside("indptr", starts, len(indices) + 1)
    ends = len(starts) and (int(starts[0]), int(starts[-1])) == (0, len(indices))
    if not ends or (np.diff(starts.astype(np.int64)) < 0).any():
        raise UnsoundError("`indptr` does not increase to the number of indices")


def _most(arrays: Arrays) -> int:
    return len(arrays["quality"]) if "quality" in arrays else MOST_ROWS


def _look_terms(arrays: Arrays, facts: Mapping[str, Any]) -> None:
    del facts
    terms, idf = arrays["terms"], arrays["idf"]
    if terms.dtype != np.uint8 or terms.ndim != 1 or idf.ndim != 1:
        raise UnsoundError("`terms` is not text")
    try:
        vocabulary = terms.tobytes().decode().split("\n") if len(idf) else []
    except UnicodeDecodeError:
        raise UnsoundError("`terms` is not text") from None
    if len(vocabulary) != len(idf) or len(set(vocabulary)) != len(vocabulary):
        raise UnsoundError("`terms` and `idf` have different numbers of terms")


def _look_trees(arrays: Arrays, facts: Mapping[str, Any]) -> None:
    del facts
    left, right = arrays["left"], arrays["right"]
    size = len(left)
    for name in ("starts", "left", "right"):
        _inside(name, arrays[name], size)
    _inside("feature", arrays["feature"], np.iinfo(np.int32).max)
    if any(len(arrays[name]) != size for name in ("right", "feature", "threshold", "value")):
        raise UnsoundError("the arrays of the trees have different lengths")
    own = np.arange(size)
    leaf = (left == own) & (right == own)
    if not (leaf | ((left > own) & (right > own))).all():
        raise UnsoundError("a node of a tree leads back to an earlier node")
    for _ in _levels(arrays["starts"], left, right, leaf):
        pass


def _levels(
    at: NDArray[Any], left: NDArray[Any], right: NDArray[Any], leaf: NDArray[np.bool_]
) -> Iterator[NDArray[Any]]:
    """Yield the nodes of all trees level by level; a tree that is too deep is refused."""
    for _ in range(DEEPEST):
        at = np.unique(at[~leaf[at]])
        if not len(at):
            return
        yield at
        at = np.concatenate([left[at], right[at]])
    raise UnsoundError(f"a tree is deeper than {DEEPEST} splits")


def _look_curve(arrays: Arrays, facts: Mapping[str, Any]) -> None:
    del facts
    p_value, weight = arrays["p_value"], arrays["weight"]
    if any(each.ndim != 1 or not len(each) for each in (p_value, weight)):
        raise UnsoundError("the shrinkage curve is empty")
    if len(p_value) != len(weight) or (np.diff(p_value) < 0).any():
        raise UnsoundError("the shrinkage curve does not increase")
    if not ((weight >= 0) & (weight <= 1)).all():
        raise UnsoundError("the shrinkage weights are not between 0 and 1")


def _look_held_out(arrays: Arrays, facts: Mapping[str, Any]) -> None:
    del facts
    measures, together = arrays["measures"], arrays["together"]
    if measures.shape != (len(together), 2) or not len(together):
        raise UnsoundError("the measures of held-out rows have the wrong shape")
    if (np.diff(measures, axis=0) < 0).any() or (np.diff(together) < 0).any():
        raise UnsoundError("the measures of held-out rows do not increase")


def _look_costs(arrays: Arrays, facts: Mapping[str, Any]) -> None:
    _look_same("base", "slope")(arrays, facts)
    if (arrays["base"] < 0).any() or (arrays["slope"] < 0).any():
        raise UnsoundError("a cost is negative")


def _look_columns(arrays: Arrays, facts: Mapping[str, Any]) -> None:
    del facts
    _inside("columns", arrays["columns"], np.iinfo(np.int32).max)


def _look_inside(arrays: Arrays, facts: Mapping[str, Any]) -> None:
    del facts
    if not np.isin(arrays["inside"], (0, 1)).all():
        raise UnsoundError("`inside` is neither 0 nor 1")


def _look_same(*names: str) -> Callable[[Arrays, Mapping[str, Any]], None]:
    """Return a look at arrays whose last axes are the same choices, or the same units."""

    def look(arrays: Arrays, facts: Mapping[str, Any]) -> None:
        del facts
        sizes = {arrays[name].shape[-1:] for name in names}
        if len(sizes) > 1:
            raise UnsoundError(
                f"{' and '.join(f'`{name}`' for name in names)} have different shapes"
            )

    return look


_LOOKS: tuple[tuple[frozenset[str], Callable[[Arrays, Mapping[str, Any]], None]], ...] = (
    (frozenset({"data", "indices", "indptr"}), _look_sparse),
    (frozenset({"terms", "idf"}), _look_terms),
    (frozenset({"indices", "indptr", "lengths", "idf"}), _look_words),
    (frozenset({"starts", "left", "right", "feature", "threshold", "value"}), _look_trees),
    (frozenset({"p_value", "weight"}), _look_curve),
    (frozenset({"measures", "together"}), _look_held_out),
    (frozenset({"base", "slope"}), _look_costs),
    (frozenset({"columns"}), _look_columns),
    (frozenset({"inside"}), _look_inside),
    *(
        (frozenset(names), _look_same(*names))
        for names in (
            ("weights", "bias"),
            ("overall", "means"),
            ("mean", "spread"),
            ("mean", "cost"),
            ("means", "spread"),
            *((f"w{layer}", f"b{layer}") for layer in range(4)),
        )
    ),
)
"""What is looked at, by the names of the arrays that stand together."""

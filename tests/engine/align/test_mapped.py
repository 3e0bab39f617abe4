import dataclasses

import numpy as np
import pytest
import torch
from fusing import MEAN, FittedState, Part, TokenFuse, aligning

from composer.engine.weights.local import load
from composer.methods.align.mapped import learn_mapping
from composer.methods.align.procrustes import Projection, project, rotated
from composer.methods.fitted import read, save
from composer.values import ModelError, State

mapped, mean = aligning("mapped"), MEAN.combine


CPU = torch.device("cpu")


def taught(state):
    return FittedState("digest", lambda: state)


def state(sides, tokens, likeness):
    contents = [side.space.content for side in sides]
    arrays = {"tokens.0": torch.tensor(tokens).int(), "likeness.0": torch.tensor(likeness)}
    facts = {"part": "mapped", "onto": contents[0], "from": contents[1:]}
    return State({name: array.numpy() for name, array in arrays.items()}, facts)


@pytest.fixture
def pair(side):
    one = side("A", [b"a", b"b", b"c", None], ends={3})
    return one, side("B", [b"a", b"d", None], ends={2})


@pytest.fixture
def known(pair):
    return state(pair, [[0, -1], [1, 2], [3, -1]], [[0.8, 0.0], [0.6, 0.2], [1.0, 0.0]])


def test_probabilities_go_where_the_mapping_says(pair, known, fuse):
    said = torch.tensor([[0.4, 0.3, 0.2, 0.1]]).log(), torch.tensor([[0.5, 0.4, 0.1]]).log()
    found = fuse(mapped(pair, CPU, taught=taught(known)), said, mean).scores[0]
    expected = [(0.4 + 0.5) / 2, (0.3 + 0.3) / 2, (0.2 + 0.1) / 2, (0.1 + 0.1) / 2]
    assert found.tolist() == pytest.approx(expected)
    found = fuse(mapped(pair, CPU, taught=taught(known), normalize=False), said, mean).scores[0]
    theirs = [0.4, 0.24, 0.08, 0.1]
    assert found.tolist() == pytest.approx(
        [(p + q / sum(theirs)) / 2 for p, q in zip([0.4, 0.3, 0.2, 0.1], theirs, strict=True)]
    )


def test_only_the_likeliest_count(pair, known, fuse):
    said = torch.tensor([[0.4, 0.3, 0.2, 0.1]]).log(), torch.tensor([[0.5, 0.4, 0.1]]).log()
    found = fuse(mapped(pair, CPU, taught=taught(known), k=1), said, mean).scores[0]
    assert found.tolist() == pytest.approx([1.0, 0.0, 0.0, 0.0])


def test_a_rotation_is_undone():
    torch.manual_seed(2)
    x = torch.randn(60, 8)
    turn = torch.linalg.qr(torch.randn(8, 8))[0]
    pairs = torch.arange(30).repeat(2, 1)
    one, two = rotated((x, x @ turn), pairs)
    assert torch.allclose(one, two, atol=1e-4)
    every = torch.arange(60)
    tokens, likeness = project((x, x @ turn), pairs, (every, every), Projection())
    assert torch.equal(tokens[:, 0], every)
    assert likeness[:, 0].tolist() == pytest.approx([1.0] * 60, abs=1e-4)  # 2 cos - r


def vecmap(x, z, pairs):
    """The supervised mapping of VecMap, as its code has it, in double precision."""

    def even(v):
        v = v / np.linalg.norm(v, axis=1, keepdims=True)
        v = v - v.mean(0)
        return v / np.linalg.norm(v, axis=1, keepdims=True)

    def whitening(m):
        _, s, vt = np.linalg.svd(m, full_matrices=False)
        return vt.T @ np.diag(1 / s) @ vt

    x, z = even(x.double().numpy()), even(z.double().numpy())
    src, trg = pairs.numpy()
    wx1, wz1 = whitening(x[src]), whitening(z[trg])
    xw, zw = x @ wx1, z @ wz1
    wx2, s, wz2t = np.linalg.svd(xw[src].T @ zw[trg])
    wz2 = wz2t.T
    xw, zw = xw @ wx2 * s**0.5, zw @ wz2 * s**0.5
    xw = xw @ wx2.T @ np.linalg.inv(wx1) @ wx2
    zw = zw @ wz2.T @ np.linalg.inv(wz1) @ wz2
    return [torch.tensor(v / np.linalg.norm(v, axis=1, keepdims=True)).float() for v in (xw, zw)]


def test_the_mapping_equals_vecmaps():
    torch.manual_seed(5)
    x = torch.randn(80, 6)
    z = x @ torch.randn(6, 6) + 0.5 * torch.randn(80, 6)
    pairs = torch.arange(10, 60).repeat(2, 1)
    for found, expected in zip(rotated((x, z), pairs), vecmap(x, z, pairs), strict=True):
        signs = (found * expected).sum(0).sign()  # of singular vectors, free in pairs
        assert torch.allclose(found * signs, expected, atol=1e-4)
    one, two = rotated((x, z), pairs)
    both = vecmap(x, z, pairs)
    assert torch.allclose(one @ two.T, both[0] @ both[1].T, atol=1e-4)


def test_likeness_by_hand():
    """CSLS and EVA's filters, in plain words."""
    torch.manual_seed(3)
    x, z = torch.randn(30, 4), torch.randn(40, 6)
    pairs = torch.stack([torch.arange(12), torch.arange(5, 17)])
    how = Projection(near=7, threshold=-0.3, around=3, spread=0.15)
    words = torch.arange(28), torch.arange(2, 40)
    tokens, likeness = project((x, z), pairs, words, how)
    one, two = rotated((x, z), pairs)
    some = vague = 0
    for own in range(30):
        found = {}
        if own < 28:
            for other in range(2, 40):
                near = sorted((float(two[other] @ one[n]) for n in range(28)), reverse=True)[:3]
                found[other] = 2 * float(one[own] @ two[other]) - sum(near) / 3
        best = sorted(found, key=lambda n: -found[n])[:7]
        best = [n for n in best if found[n] >= -0.3]
        values = torch.tensor([found[n] for n in best])
        if len(best) > 5 and values.std(unbiased=False) <= 0.15:
            best, vague = [], vague + 1
        some += len(best) > 0
        assert [n for n in tokens[own].tolist() if n >= 0] == best
        assert [v for v in likeness[own].tolist() if v] == pytest.approx(
            [found[n] for n in best], abs=1e-4
        )
    assert some > 10
    assert vague > 1


@pytest.fixture(scope="module")
def models(model, zoo):
    return [load(one) for one in (model("stories"), zoo("general-1"))]


def test_learnt_of_models_kept_and_used(models, zoo, model, write, tmp_path):
    pivot, other = models
    state = learn_mapping(pivot, [other])
    file = tmp_path / "map.safetensors"
    save(file, state)
    again = read(file)
    assert again.facts == state.facts
    assert (again.arrays["tokens.0"] == state.arrays["tokens.0"]).all()
    tokens = torch.from_numpy(again.arrays["tokens.0"])
    assert len(tokens) == other.width
    ends = sorted(other.ends)
    assert {tokens[end, 0].item() for end in ends} <= pivot.ends
    # what both have is often its own nearest, one of 500, although nothing says so
    common = [p for p in other.vocabulary.ids if p in pivot.vocabulary.ids]
    right = sum(
        tokens[other.vocabulary.ids[p], 0].item() == pivot.vocabulary.ids[p] for p in common
    )
    assert right > len(common) / 4

    part = Part("align.mapped", (("taught", taught(again)),))
    fuse = TokenFuse((model("stories"), zoo("general-1")), ("a", "b"), align=part)
    made = write(fuse, "Once upon a time", max_tokens=12)
    assert set(made.usage) == {"a", "b"}
    assert made.text


def test_learning_needs_something_in_common(models):
    pivot, other = models
    bare = dataclasses.make_dataclass("Bare", ["name", "vocabulary", "width", "ends", "module"])
    strange = type(other.vocabulary).__new__(type(other.vocabulary))
    strange.__dict__.update(other.vocabulary.__dict__, pieces=[b"\xfe\xfe\xfe"], fingerprint="x")
    strange.__dict__["ids"] = {b"\xfe\xfe\xfe": 0}
    with pytest.raises(
        ModelError, match=r"between Strange and \S+, because they have no token"
    ) as told:
        learn_mapping(pivot, [bare("Strange", strange, 1, frozenset(), other.module)])
    assert told.value.code == "E305"


def test_a_mapping_for_others_is_refused(pair, side, known):
    stranger = side("C", [b"a"])
    with pytest.raises(ModelError, match="not a mapping of the tokens of C") as told:
        mapped((pair[0], stranger), CPU, taught=taught(known))
    assert told.value.code == "E508"
    with pytest.raises(ModelError, match="not a mapping onto the tokens of B"):
        mapped((pair[1], pair[0]), CPU, taught=taught(known))
    with pytest.raises(ModelError, match="is not fitted yet"):
        mapped(pair, CPU)


def test_members_come_in_any_order_of_the_file(pair, side, known, fuse):
    third = side("C", [b"c", None], ends={1})
    arrays = {**known.arrays, "tokens.1": torch.tensor([[2], [3]]).int().numpy()}
    arrays["likeness.1"] = torch.ones(2, 1).numpy()
    facts = {**known.facts, "from": [*known.facts["from"], third.space.content]}
    made = mapped((pair[0], third, pair[1]), CPU, taught=taught(State(arrays, facts)))
    said = [torch.zeros(1, 4), torch.tensor([[0.9, 0.1]]).log(), torch.tensor([[1.0, 0, 0]]).log()]
    found = fuse(made, said, mean, [0.0, 0.5, 0.5]).scores[0]
    assert found.tolist() == pytest.approx([0.5, 0.0, 0.45, 0.05])

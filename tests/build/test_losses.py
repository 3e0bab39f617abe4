"""What a student loses, on cases worked by hand and against torch."""

import math

import pytest
import torch

from composer.build.losses import distillation_loss, divergence
from composer.engine.top_tokens import END, NONE, TopTokens, sum_top
from composer.methods.distillation.objectives import TeacherDistributions


def top_tokens(ids, probabilities, rest=0.0):
    count = len(ids)
    return TopTokens(
        torch.tensor(ids),
        torch.tensor(probabilities),
        torch.full((count,), rest),
        torch.zeros(count),
    )


def test_all_tokens_make_the_whole_divergence():
    torch.manual_seed(0)
    logits, other = torch.randn(5, 7), torch.randn(5, 7).softmax(-1)
    objective = TeacherDistributions(target=0.0, top=7)
    labels = torch.zeros(5, dtype=torch.long)
    teachers = top_tokens([list(range(7))] * 5, other.tolist())
    wanted = torch.nn.functional.kl_div(logits.log_softmax(-1), other, reduction="none").sum(-1)
    assert torch.allclose(distillation_loss(logits, labels, teachers, objective), wanted, atol=1e-5)
    back = torch.nn.functional.kl_div(other.log(), logits.softmax(-1), reduction="none").sum(-1)
    reverse = TeacherDistributions(target=0.0, top=7, divergence="reverse")
    assert torch.allclose(distillation_loss(logits, labels, teachers, reverse), back, atol=1e-5)


def test_other_tokens_are_one_event():
    """Teachers 0.6 and 0.4 for others, a student with 0.5 for each: by hand."""
    logits = torch.tensor([[0.5, 0.3, 0.2]]).log()
    loss = distillation_loss(
        logits,
        torch.tensor([0]),
        top_tokens([[0, NONE]], [[0.6, 0.0]], 0.4),
        TeacherDistributions(target=0),
    )
    wanted = 0.6 * math.log(0.6 / 0.5) + 0.4 * math.log(0.4 / 0.5)
    assert loss.item() == pytest.approx(wanted, rel=1e-4)


def test_the_loss_is_a_share_of_the_text_and_the_rest_of_the_teachers():
    logits = torch.tensor([[0.5, 0.5]]).log()
    loss = distillation_loss(
        logits, torch.tensor([1]), top_tokens([[0]], [[1.0]]), TeacherDistributions(target=0.9)
    )
    assert loss.item() == pytest.approx(math.log(2), rel=1e-4)


def test_a_temperature_flattens_the_student_and_keeps_the_size_of_gradients():
    logits = torch.tensor([[2.0, 0.0]], requires_grad=True)
    teachers = top_tokens([[0, 1]], [[0.5, 0.5]])
    loss = distillation_loss(
        logits, torch.tensor([0]), teachers, TeacherDistributions(target=0, temperature=2.0)
    )
    p = 1 / (1 + math.exp(-1))
    assert loss.item() == pytest.approx(4 * (-0.5 * math.log(4 * p * (1 - p))), rel=1e-4)


def test_an_interpolated_target_begins_at_the_student():
    student = torch.tensor([[0.2, 0.8]]).log()
    teachers = torch.tensor([[0.9, 0.1]]).log()
    assert divergence(student, teachers, "forward", 0.0).item() == pytest.approx(0.0, abs=1e-6)
    whole = divergence(student, teachers, "forward").item()
    assert divergence(student, teachers, "forward", 1.0).item() == pytest.approx(whole)
    assert 0 < divergence(student, teachers, "forward", 0.5).item() < whole


@pytest.mark.parametrize("way", ["forward", "reverse"])
def test_gradients_are_numbers_where_a_teacher_says_nothing(way):
    logits = torch.tensor([[50.0, -50.0, 0.0]], requires_grad=True)
    objective = TeacherDistributions(target=0.5, divergence=way)
    loss = distillation_loss(
        logits, torch.tensor([1]), top_tokens([[1, NONE]], [[1.0, 0.0]]), objective
    ).sum()
    torch.autograd.backward(loss)
    assert torch.isfinite(logits.grad).all()


def test_what_several_columns_say_of_one_token_is_summed():
    ids = torch.tensor([[3, 5, 3, END, NONE]])
    shares = torch.tensor([[0.2, 0.3, 0.25, 0.1, 0.9]])
    names, total = sum_top(ids, shares, 3)
    assert names.tolist() == [[3, 5, END]]
    assert total.tolist()[0] == pytest.approx([0.45, 0.3, 0.1])
    names, total = sum_top(ids, shares, 5)
    assert names.tolist() == [[3, 5, END, NONE, NONE]]
    assert total[0, 3:].tolist() == [0, 0]

"""What training relies on: gradients, what `after_step` changes, what a checkpoint holds, and that the loss falls."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor

from selfsup.contract.findings import Findings, copies
from selfsup.pretext import Output, Pretext, Views
from selfsup.train.step import total

STEPS, FALL = 40, 0.1
"""Steps on the same views in which the loss has to fall by this share: every task of the table falls by far more."""

NAMED = 3  # parameters that are named; the others are counted


def check_gradients(task: Pretext, output: Output, found: Findings) -> None:
    """Every trained parameter gets a finite gradient and stands in `parameter_groups` once."""
    with found.at("gradients"):
        torch.autograd.backward(total(task.loss(dict(output))))
    missing = [name for name, parameter in trained_parameters(task) if parameter.grad is None]
    wrong = [name for name, parameter in trained_parameters(task) if parameter.grad is not None and not parameter.grad.isfinite().all()]
    if missing:
        mend = "use what they belong to in forward, or switch them off with requires_grad_(False) in __init__"
        found.add("gradients", "missing", f"do not reach {listed(missing)}; {mend}.")
    if wrong:
        found.add("gradients", "finite", f"are no numbers at {listed(wrong)}; look for a square root, a norm or a logarithm of 0.")
    grouped = [id(parameter) for group in task.parameter_groups() for parameter in group["params"]]
    every = [name for name, parameter in trained_parameters(task) if grouped.count(id(parameter)) != 1]
    if every:
        found.add("gradients", "groups", f"would not move {listed(every)} once a step: parameter_groups has to hold each exactly once.")


def check_after_step(task: Pretext, output: Output, found: Findings) -> None:
    """It moves nothing that gradients train, and changes no shape of what a checkpoint holds."""
    before = {name: parameter.detach().clone() for name, parameter in trained_parameters(task)}
    shapes = {name: tensor.shape for name, tensor in task.state_dict().items()}
    with found.at("after_step"), torch.no_grad():
        task.after_step(output)
    moved = [name for name, parameter in trained_parameters(task) if name not in before or not torch.equal(parameter, before[name])]
    if moved:
        words = f"changed {listed(moved)}, which gradients train; expected only what they do not: give it requires_grad_(False)."
        found.add("after_step", "trained", words)
    other = [name for name, tensor in task.state_dict().items() if tensor.shape != shapes.get(name)]
    if other:
        words = f"changed the shape of {listed(other)}, so a checkpoint could not be loaded; make it as large as it gets in __init__."
        found.add("after_step", "shape", words)


def check_state(task: Pretext, fresh: Callable[[], Pretext], views: Views, found: Findings) -> None:
    """What a checkpoint holds is all that the task needs to go on."""
    loose = [name for name, value in vars(task).items() if isinstance(value, Tensor)]
    if loose:
        mend = f"write self.register_buffer({loose[0]!r}, …)"
        found.add("state", "loose", f"self.{loose[0]} is a plain tensor, neither saved nor moved to an accelerator; {mend}.")
    other = fresh()
    with found.at("state"), torch.no_grad():
        for parameter in task.parameters():
            parameter.add_(0.01)
        other.load_state_dict(task.state_dict())
        one, two = task.eval()(copies(views)), other.eval()(copies(views))
        terms = [model.loss(dict(output)) for model, output in ((task, one), (other, two))]
    differing = [name for name, rows in one.items() if not torch.equal(rows, two[name])]
    differing += [name for name, term in terms[0].items() if not torch.equal(term, terms[1][name])]
    if differing and not loose:
        mend = "keep in parameters and buffers all that a step changes"
        found.add("state", "round", f"after loading, {differing[0]!r} was another, so a resumed run would differ; {mend}.")


def check_training(fresh: Callable[[], Pretext], views: Views, found: Findings) -> None:
    """On fixed views, without `after_step`, the loss falls: what is asked can be learned, and gradients point the right way."""
    torch.manual_seed(0)
    task = fresh().train()
    optimizer = torch.optim.AdamW(task.parameter_groups(), lr=task.learning_rate)
    losses = []
    with found.at("training", draws=task.draws_in_forward):
        for _ in range(STEPS):
            optimizer.zero_grad()
            loss = total(task.loss(task(copies(views))))
            torch.autograd.backward(loss)
            optimizer.step()
            losses.append(loss.item())
    last = sum(losses[-5:]) / 5
    if not last < losses[0] - FALL * abs(losses[0]):
        mend = "see that forward uses the backbone, and that the answer can be seen in the views"
        found.add("training", "falls", f"took the loss from {losses[0]:.4g} to {last:.4g} in {STEPS} steps on the same views; {mend}.")


def trained_parameters(task: Pretext) -> list[tuple[str, torch.nn.Parameter]]:
    """What gradients train, by name."""
    return [(name, parameter) for name, parameter in task.named_parameters() if parameter.requires_grad]


def count(rows: Mapping[str, Tensor]) -> int:
    """How many rows a batch, views or an output have."""
    return len(next(iter(rows.values())))


def listed(names: Sequence[str]) -> str:
    """The first few names, and how many more there are."""
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return ", ".join(names[:NAMED]) + more

"""The contract of a task, place by place, on one batch."""

from __future__ import annotations

import copy
from collections.abc import Callable
from contextlib import suppress

import torch
from torch import Tensor

from selfsup.contract.findings import EXAMPLES, Findings, Stopped, copies, expect_rows
from selfsup.contract.learning import (
    check_after_step,
    check_gradients,
    check_state,
    check_training,
    count,
    listed,
    trained_parameters,
)
from selfsup.contract.own_views import check_pictures, check_same, check_untouched, generator
from selfsup.pretext import Batch, Output, Pretext, TextPretext, Views
from selfsup.train.step import detached, total


def check_module(task: Pretext, batch: Batch, found: Findings, *, fresh: Callable[[], Pretext] | None = None) -> None:
    """Try the four places of `task` on the CPU and note in `found` what is broken.

    The task is copied, and torch's random state restored. With `fresh`, which builds the task anew, state and training are tried too.
    """
    found.modality = task.modality
    with suppress(Stopped), torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        _written(task, found)
        with found.at("__init__"):
            task = copy.deepcopy(task).cpu().train()
            task.zero_grad(set_to_none=True)
        views = _views(task, {name: tensor.cpu() for name, tensor in batch.items()}, found)
        whole = _rows_apart(task, views, found)
        output = _trained(task, views, found)
        _loss(task, output, whole, views, found)
        check_gradients(task, output, found)
        check_after_step(task, detached(output), found)
        if isinstance(task, TextPretext):
            _words(task, batch, found)
        else:
            _show(task, batch, found)
            _sample(task, found)
        if fresh is not None:
            check_state(task, fresh, views, found)
            check_training(fresh, views, found)


def _written(task: Pretext, found: Findings) -> None:
    """Every place that has to be there is."""
    for place, given in (("views", "batch, rng"), ("forward", "views"), ("loss", "output")):
        if getattr(type(task), place) is getattr(Pretext, place):
            found.reached.add(place)
            found.stop(place, "missing", f"there is no {place}({given}) in {type(task).__name__}; expected one: write it.")


def _views(task: Pretext, batch: Batch, found: Findings) -> Views:
    before, rows = copies(batch), count(batch)
    rng = generator(1)
    with found.at("views", rng):
        given = task.views(batch, rng)
    one = expect_rows(found, "views", given, rows)
    check_untouched(found, before, batch)
    if task.modality != "text":
        check_pictures(found, "views", one, task.backbone.channels)
    learned = [name for name, view in one.items() if view.requires_grad]
    if learned:
        found.add("views", "parameters", f"used parameters for {learned[0]!r}; expected none: move what is learned to forward.")
    rng = generator(1)
    with found.at("views", rng):
        again = task.views(copies(before), rng)
    check_same(found, one, expect_rows(found, "views", again, rows))
    return detached(one)


def _rows_apart(task: Pretext, views: Views, found: Findings) -> Output:
    """In evaluation mode, where BatchNorm uses running statistics, some rows are the same alone and in company."""
    task.eval()
    rows = count(views)
    half = rows // 2
    with found.at("forward"), torch.no_grad():
        given, alone = task(copies(views)), task({name: view[:half].clone() for name, view in views.items()})
    whole, part = expect_rows(found, "forward", given, rows), expect_rows(found, "forward", alone, half)
    for name, tensor in whole.items():
        other = part[name]
        if tensor.shape[1:] != other.shape[1:]:
            shapes = f"{tuple(tensor.shape)} for {rows} rows and {tuple(other.shape)} for {half}"
            mend = "return embeddings, compare them in loss and say couples_rows = True"
            found.add("forward", f"table {name}", f"returned {name!r} with shape {shapes}, a table of rows by rows; {mend}.")
        elif not torch.allclose(tensor[:half].float(), other.float(), atol=1e-5, rtol=1e-4, equal_nan=True):
            mend = "treat each row by itself here, compare rows in loss and say couples_rows = True"
            found.add("forward", f"apart {name}", f"gave other rows of {name!r} when the batch had fewer rows; {mend}.")
    task.train()
    return whole


def _trained(task: Pretext, views: Views, found: Findings) -> Output:
    """What `forward` gives while it trains; where it says that it draws, the same again after the same seed."""
    torch.manual_seed(1)
    with found.at("forward", draws=task.draws_in_forward):
        given = task(copies(views))
    output = expect_rows(found, "forward", given, count(views))
    if task.draws_in_forward:
        torch.manual_seed(1)
        with found.at("forward", draws=True), torch.no_grad():
            again = task(copies(views))
        differing = [name for name, rows in output.items() if name not in again or not torch.equal(rows, again[name])]
        told = any(item.place == "forward" and item.sign.startswith(("draw", "global")) for item in found.found)
        if differing and not told:
            words = (
                f"gave another {differing[0]!r} after the same torch.manual_seed, so a run could not be repeated; draw as nn.Dropout does."
            )
            found.add("forward", "same", words)
    return output


def _loss(task: Pretext, output: Output, whole: Output, views: Views, found: Findings) -> None:
    """Named finite scalars, from the output alone, and the same from two halves unless rows are coupled."""
    with found.at("loss"):
        given = task.loss(dict(output))
    terms = _terms(given, found)
    if not total(terms).requires_grad:
        words = "depends on no parameter, so nothing would be learned; expected tensors that come from forward, without detach() or item()."
        found.stop("loss", "constant", words)
    leaves = {name: rows.detach().requires_grad_(rows.is_floating_point()) for name, rows in output.items()}
    with found.at("loss"):
        again = task.loss(leaves)
    alone = total(_terms(again, found))
    names, parameters = zip(*trained_parameters(task), strict=True)
    if alone.requires_grad:
        slopes = torch.autograd.grad(alone, parameters, allow_unused=True)
        used = [name for name, slope in zip(names, slopes, strict=True) if slope is not None]
        if used:
            words = f"uses the parameter {listed(used)}; expected arithmetic on the output alone: use it in forward."
            found.add("loss", "parameters", words)
    if not task.couples_rows:
        _uncoupled(task, whole, views, found)


def _uncoupled(task: Pretext, whole: Output, views: Views, found: Findings) -> None:
    """Micro-batches and ranks compute a loss that does not couple rows each for itself and take the mean."""
    half = count(whole) // 2
    with found.at("loss"), torch.no_grad():
        every = task.loss({name: rows[: 2 * half] for name, rows in whole.items()})
        parts = [task.loss({name: rows[start : start + half] for name, rows in whole.items()}) for start in (0, half)]
        held = [task.count_of({name: rows[start : start + half] for name, rows in views.items()}) for start in (0, half)]
    share = 0.5 if held[0] is None or held[1] is None else float(held[0] / (held[0] + held[1]))
    for name, term in every.items():
        mean = share * parts[0][name] + (1 - share) * parts[1][name]
        if not torch.allclose(term, mean, atol=1e-5, rtol=1e-3):
            came = f"{float(term):.4g} for {2 * half} rows, {float(mean):.4g} on average for its halves"
            mend = "say couples_rows = True in the class if rows are compared, or return means over rows"
            found.add("loss", f"coupled {name}", f"gave {name!r} as {came}: rows are coupled, or summed; {mend}.")


def _terms(given: object, found: Findings) -> dict[str, Tensor]:
    if not isinstance(given, dict) or not given:
        came = "an empty dict" if isinstance(given, dict) else type(given).__name__
        found.stop("loss", "dict", f"returned {came}; expected a dict of named terms, such as {EXAMPLES[found.modality]['loss']}.")
    for name, term in given.items():
        if not isinstance(term, Tensor) or term.ndim:
            came = f"shape {tuple(term.shape)}" if isinstance(term, Tensor) else type(term).__name__
            found.stop(
                "loss", f"scalar {name}", f"returned {name!r} as {came}; expected a tensor with one number: take the mean over all rows."
            )
        if not bool(term.isfinite()):
            found.stop("loss", f"finite {name}", f"returned {name!r} as {term.item()}; expected a finite number: look for log(0) or 0/0.")
    return given


def _show(task: Pretext, batch: Batch, found: Findings) -> None:
    task.eval()
    rng = generator(1)
    with found.at("show", rng), torch.no_grad():
        given = task.show({name: tensor.cpu() for name, tensor in batch.items()}, rng)
    task.train()
    if not given and isinstance(given, dict):
        return
    made = expect_rows(found, "show", given, count(batch))
    odd = [name for name, picture in made.items() if picture.ndim != 4 or picture.shape[1] not in (1, 3)]
    if odd:
        shape = tuple(made[odd[0]].shape)
        found.stop("show", "shape", f"returned {odd[0]!r} with shape {shape}; expected pictures (B, C, h, w) of one or three channels.")
    for name, picture in made.items():
        check_pictures(found, "show", {name: picture}, picture.shape[1])


def _sample(task: Pretext, found: Findings) -> None:
    """New pictures, if the task makes any: as many as asked for."""
    found.reached.add("sample")
    if type(task).sample is Pretext.sample:
        return
    task.eval()
    rng, net = generator(1), task.backbone
    with found.at("sample", rng), torch.no_grad():
        given = task.sample(3, rng)
    task.train()
    expected, came = (3, net.channels, net.size, net.size), tuple(given.shape) if isinstance(given, Tensor) else type(given).__name__
    if came != expected:
        found.stop("sample", "shape", f"returned {came} for a count of 3; expected pictures {expected}.")
    check_pictures(found, "sample", {"the pictures": given}, net.channels)


def _words(task: TextPretext, batch: Batch, found: Findings) -> None:
    """Scores of words, if the task has any, as the report, `generate` and bits per byte ask for them.

    A decoder's say what comes after each token, `logits(ids)`, others what stands at some places, `logits(ids, positions)`.
    """
    found.reached.add("logits")
    method, net = getattr(task, "logits", None), task.backbone
    if method is None:
        return
    ids = batch["tokens"].cpu()
    places = torch.arange(0, ids.shape[1], 3).repeat(len(ids), 1)
    task.eval()
    with found.at("logits"), torch.no_grad():
        given = method(ids) if net.causal else method(ids, places)
    task.train()
    asked = ids if net.causal else places
    came = tuple(given.shape) if isinstance(given, Tensor) else type(given).__name__
    if not isinstance(given, Tensor) or given.shape[:-1] != asked.shape or given.shape[-1] < net.vocabulary.size:
        what, shape = ("ids", "(B, T, V)") if net.causal else ("places", "(B, K, V)")
        expected = (*asked.shape, net.vocabulary.size)
        words = f"returned {came} for {what} {tuple(asked.shape)}; expected {expected}: a score for each word, {shape}."
        found.stop("logits", "shape", words)

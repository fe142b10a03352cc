"""`index`: the embeddings of a data set in a vector database, kept equal to the data by running it again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float32

from selfsup.data import read_labels
from selfsup.embedding import Reading
from selfsup.progress import counted
from selfsup.run import Run
from selfsup.searching.address import COLLECTION, Address
from selfsup.searching.collection import Collection
from selfsup.searching.connection import connected, need_packages
from selfsup.searching.filling import Filling, Indexed, filled
from selfsup.searching.ledger import Ledger, check_place
from selfsup.searching.maker import Maker
from selfsup.searching.rows import Rows, fields_of
from selfsup.searching.settings import MOST_NUMBERS
from selfsup.searching.sides import Side, side_of, side_run

TEXT_OPTIONS = ("text", "id", "language", "encoding")


def index(
    run: Run | str | Path,
    data: Any = None,
    *,
    to: str | Path,
    labels: Any = None,
    layer: str | None = None,
    side: str | None = None,
    collection: str = COLLECTION,
    rebuild: bool = False,
    kind: str = "auto",
    text: str | None = None,
    id: str | None = None,
    language: str | None = None,
    encoding: str | None = None,
) -> Indexed:
    """Put the embedding of every item of `data` (or of what the run was pretrained on) into a vector database, to be searched.

    `to` is a folder, for Milvus Lite, or `http://host:port` of a Milvus server, whose token the variable SELFSUP_MILVUS_TOKEN holds, and
    `collection` a name there. Rows have the fields `id`, `path`, `part`, `label` (from `labels`, as for `evaluate`) and the columns of
    `data`. Run again, it embeds what is new, removes what is gone, and leaves the rest; a run that was killed is gone on with in the same
    way. `rebuild` makes the database anew from the embeddings kept in Parquet, without data or network. Of a run of pairs one `side` is
    indexed, by default the pictures, in the space that both share: words find pictures, and the other way round. `layer`, `kind`, `text`,
    `id`, `language` and `encoding` are as for `embed`. Raises ValueError, also for an index that another run or layer made, and
    ModuleNotFoundError where the extra `search` is missing.
    """
    told = {name: value for name, value in locals().items() if name in TEXT_OPTIONS}
    run, layer = side_run(run if isinstance(run, Run) else Run.open(run), side, layer)
    address = Address.parse(to, collection)
    items = side_of(run)
    if not address.is_server:
        check_place(Path(address.to))
    with Ledger.opened(address.ledger(run)) as ledger:
        if rebuild:
            if data is not None or labels is not None:
                raise ValueError("rebuild makes the index from its own embeddings and reads no data or labels; expected neither with it.")
            return filled(address, ledger, _kept(ledger, run, layer, address), Filling(rebuild=True))
        maker = Maker.of(run, side=items.kind, layer=_layer(ledger, items, layer))
        _check_there(address, ledger, maker)
        reading = items.reading(data, told, kind=kind)
        maker = replace(maker, data=_place_of(reading.name))
        if ledger.maker is None:  # before anything else of the index
            ledger.maker = maker
        filling = prepared(items, reading, ledger, layer=maker.layer, labels=labels, run=run)
        ledger.maker = maker
        return filled(address, ledger, maker, filling)


def prepared(side: Side, reading: Reading[Any], ledger: Ledger, *, layer: str, labels: Any, run: Run) -> Filling:
    """Write into the ledger the rows of a reading, and the embeddings that it has not. Raises ValueError where no old row would stay."""
    rows, numbers, notes = rows_of(side, reading, labels=labels, parts=reading.parts_in(run))
    before = ledger.rows
    if before is not None and len(before) and not any(key in rows.places for key in before.keys):
        raise ValueError(
            f"None of the {len(before):,} rows of the index is in {reading.name}, so all would be removed. Give the data that it was made "
            f"from, or another place for other data."
        )
    missing = [place for place, key in enumerate(rows.keys) if key not in ledger.known]
    if missing:
        _embed(
            side, reading, ledger, layer=layer, keys=[rows.keys[place] for place in missing], items=[numbers[place] for place in missing]
        )
    ledger.rows = rows
    return Filling(False, len(missing), dict(reading.skipped), notes)


def rows_of(side: Side, reading: Reading[Any], *, labels: Any, parts: Sequence[str | None]) -> tuple[Rows, list[int], list[str]]:
    """The rows of a reading, each row's number in it, and notes."""
    columns = dict(reading.columns)
    if labels is not None:
        columns = {name: cells for name, cells in columns.items() if name != "label"}
        columns["label"] = read_labels(labels, reading.ids, columns=reading.columns, noun=reading.noun).values
    fields, notes = fields_of(columns)
    fields["part"] = parts
    rows, numbers = Rows(), list[int]()
    with counted(f"comparing {reading.noun}", len(reading.ids)) as advance:
        for number, (content, text) in enumerate(side.contents(reading)):
            told = {name: values[number] for name, values in fields.items()} | {"text": text}
            if rows.add(content, reading.ids[number], reading.paths[number], told) is not None:
                numbers.append(number)
            advance(1)
    if len(rows) < len(reading.ids):
        notes.append(f"{len(reading.ids) - len(rows):,} {reading.noun} of the same name and content as another have one row with it.")
    return rows, numbers, notes


def _embed(side: Side, reading: Reading[Any], ledger: Ledger, *, layer: str, keys: Sequence[str], items: Sequence[int]) -> None:
    done = 0
    with counted(f"embedding {reading.noun}", len(keys)) as advance:
        for some, features in reading.pooled(side.network, torch.as_tensor(items), [layer]):
            vectors: Float32[np.ndarray, "n D"] = features[layer].numpy()
            if vectors.shape[1] > MOST_NUMBERS:
                raise ValueError(
                    f"Layer {layer} gives {vectors.shape[1]:,} numbers, and Milvus takes {MOST_NUMBERS:,}: give another --layer, "
                    f"such as {layer.partition('/')[0]}/mean."
                )
            ledger.add(keys[done : done + len(some)], vectors)
            done += len(some)
            advance(len(some))
    ledger.flush()


def _layer(ledger: Ledger, side: Side, wanted: str | None) -> str:
    """The layer asked for, else the one that the index has, else the one that `embed` takes."""
    held = ledger.maker
    return held.layer if held is not None and wanted is None else side.layer(wanted)


def _kept(ledger: Ledger, run: Run, layer: str | None, address: Address) -> Maker:
    """What the index was made with, for a rebuild. Raises ValueError where there is nothing to make it from."""
    held = ledger.maker
    if held is None or ledger.rows is None or not ledger.files:
        raise ValueError(f"There are no embeddings of {address} in {ledger.folder} to rebuild it from. Index it without --rebuild.")
    wanted = held.layer if layer in (None, held.layer.removesuffix("/mean")) else str(layer)
    held.check(Maker.of(run, side=held.side, layer=wanted), address)
    return held


def _check_there(address: Address, ledger: Ledger, maker: Maker) -> None:
    """Raise ValueError before anything is computed where the database cannot be reached, or the index is another's."""
    if ledger.maker is not None:
        ledger.maker.check(maker, address)
    need_packages(address)
    if not address.is_server and not address.database.is_dir():
        return
    with connected(address) as client:
        there = Collection(client, address)
        if there.exists:
            there.maker.check(maker, address)


def _place_of(name: str) -> str:
    """The name of some data, as a path that holds from anywhere where it is one."""
    return str(Path(name).resolve()) if Path(name).exists() else name

"""`index`: the embeddings of a data set in a vector database, kept equal to the data by running it again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from selfsup.cluster import place_of
from selfsup.data import read_labels
from selfsup.embedding import Reading
from selfsup.embedding.working import write_wanted
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
from selfsup.searching.sharing import PATIENCE, Sharing
from selfsup.searching.sides import Side, side_of, side_run
from selfsup.train.distributed import world

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
    on: str | None = None,
) -> Indexed:
    """Put the embedding of every item of `data` (or of what the run was pretrained on) into a vector database, to be searched.

    `to` is a folder, for Milvus Lite, or `http://host:port` of a Milvus server, whose token the variable SELFSUP_MILVUS_TOKEN holds, and
    `collection` a name there. Rows have the fields `id`, `path`, `part`, `label` (from `labels`, as for `evaluate`) and the columns of
    `data`. Run again, it embeds what is new, removes what is gone, and leaves the rest; a run that was killed is gone on with in the same
    way. `rebuild` makes the database anew from the embeddings kept in Parquet, without data or network. Of a run of pairs one `side` is
    indexed, by default the pictures, in the space that both share: words find pictures, and the other way round. `layer`, `kind`, `text`,
    `id`, `language` and `encoding` are as for `embed`, and so is how embedding is shared: under `torchrun` by its processes, with `on` by
    the cores of this machine ("ray") or a cluster ("ray:ADDRESS"). One process fills the database. Raises ValueError, also for an index
    that another run or layer made, and ModuleNotFoundError where the extra `search` is missing.
    """
    told = {name: value for name, value in locals().items() if name in TEXT_OPTIONS}
    run, layer = side_run(run if isinstance(run, Run) else Run.open(run), side, layer)
    address, place = Address.parse(to, collection), place_of(on)
    if not address.is_server:
        check_place(Path(address.to))
    if rebuild and (data is not None or labels is not None):
        raise ValueError("rebuild makes the index from its own embeddings and reads no data or labels; expected neither with it.")
    with world(PATIENCE) as ranks:
        sharing = Sharing(run, data, told, kind, place, ranks)
        if not ranks.leads:
            sharing.join()
            return ranks.share(None)  # type: ignore[return-value] # what comes is the leading process's
        with Ledger.opened(address.ledger(run)) as ledger:
            if rebuild:
                maker, filling = _kept(ledger, run, layer, address), Filling(rebuild=True)
                sharing.nothing()
            else:
                maker, filling = _prepared(sharing, address, ledger, layer=layer, labels=labels)
            return ranks.share(filled(address, ledger, maker, filling))


def _prepared(sharing: Sharing, address: Address, ledger: Ledger, *, layer: str | None, labels: Any) -> tuple[Maker, Filling]:
    """Write rows, and embeddings that are missing, into the ledger. Raises ValueError where no old row would stay."""
    run, items = sharing.run, side_of(sharing.run)
    maker = Maker.of(run, side=items.kind, layer=_layer(ledger, items, layer))
    _check_there(address, ledger, maker)
    reading = items.reading(sharing.data, sharing.told, kind=sharing.kind)
    maker = replace(maker, data=_place_of(reading.name))
    if ledger.maker is None:  # before anything else of the index
        ledger.maker = maker
    rows, numbers, notes = rows_of(items, reading, labels=labels, parts=reading.parts_in(run))
    before = ledger.rows
    if before is not None and len(before) and not any(key in rows.places for key in before.keys):
        raise ValueError(
            f"None of the {len(before):,} rows of the index is in {reading.name}, so all would be removed. Give the data that it was made "
            f"from, or another place for other data."
        )
    missing = [place for place, key in enumerate(rows.keys) if key not in ledger.known]
    if missing:
        _check_width(items, reading, maker.layer)
        write_wanted(ledger.wanted, [numbers[place] for place in missing], [rows.keys[place] for place in missing])
        sharing.embed(ledger, reading, items.network, layer=maker.layer)
    else:
        sharing.nothing()
    ledger.rows, ledger.maker = rows, maker
    return maker, Filling(False, len(missing), dict(reading.skipped), notes)


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


def _check_width(side: Side, reading: Reading[Any], layer: str) -> None:
    """Raise ValueError where Milvus takes no vectors of this layer, before all items are embedded."""
    width = reading.embeddings(side.network, [0], layers=[layer])[layer].shape[1]
    if width > MOST_NUMBERS:
        raise ValueError(
            f"Layer {layer} gives {width:,} numbers, and Milvus takes {MOST_NUMBERS:,}: give another --layer, "
            f"such as {layer.partition('/')[0]}/mean."
        )


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

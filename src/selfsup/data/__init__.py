"""Pictures of any kind to seeded batches: source -> store -> batches, with labels and splits beside them."""

from selfsup.data.batches import Batches
from selfsup.data.corpus import Corpus, prepare
from selfsup.data.decode import Decoded, decode
from selfsup.data.items import Item, Source
from selfsup.data.labels import Labels, read_labels
from selfsup.data.sizes import Suggestion, suggest_side, suggest_size
from selfsup.data.sources import open_source
from selfsup.data.splits import Split, make_split
from selfsup.data.store import Store, open_store
from selfsup.data.undecodable import Undecodable

__all__ = [
    "Batches",
    "Corpus",
    "Decoded",
    "Item",
    "Labels",
    "Source",
    "Split",
    "Store",
    "Suggestion",
    "Undecodable",
    "decode",
    "make_split",
    "open_source",
    "open_store",
    "prepare",
    "read_labels",
    "suggest_side",
    "suggest_size",
]

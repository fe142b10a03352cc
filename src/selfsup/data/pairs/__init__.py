"""Pictures with captions, of any kind, to batches: listed, decoded, encoded, held out in part."""

from selfsup.data.pairs.corpus import PairCorpus, prepare_pairs
from selfsup.data.pairs.listing import Caption, Paired, PairWanted
from selfsup.data.pairs.sources import open_pairs
from selfsup.data.pairs.store import PairStore

__all__ = ["Caption", "PairCorpus", "PairStore", "PairWanted", "Paired", "open_pairs", "prepare_pairs"]

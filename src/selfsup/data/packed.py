"""Pictures that are no files of their own but lie inside others: what every such source does with their bytes."""

from __future__ import annotations

import io
from abc import abstractmethod

from selfsup.data.decode import Decoded, decode_file, probe_file
from selfsup.data.items import Source

MOST_BYTES = 200_000_000
"""Of one picture inside another file."""


class PackedSource(Source):
    """Pictures whose bytes are taken out of other files, in memory, when one is asked for."""

    @abstractmethod
    def taken(self, i: int) -> io.BytesIO:
        """The bytes of picture `i`. Raises Undecodable."""

    def read(self, i: int, *, side: int | None = None, channels: int | None = None) -> Decoded:
        """Picture `i`; see Source."""
        return decode_file(self.taken(i), self.items[i].id, side=side, channels=channels)

    def shape(self, i: int) -> tuple[tuple[int, int], bool]:
        """Height, width and whether it is grey; see Source."""
        return probe_file(self.taken(i), self.items[i].id)

"""How a CSV file is written: which sign separates its cells, which quotes them."""

from __future__ import annotations

import csv
import re
from typing import Any, NamedTuple

_SEPARATORS = (",", ";", "\t", "|")


class Dialect(NamedTuple):
    """What csv.reader has to know; `hinted` when the first line is Excel's `sep=;` and no row."""

    separator: str
    quote: str
    hinted: bool

    def options(self) -> dict[str, Any]:
        """The same as arguments of csv.reader."""
        return {"delimiter": self.separator, "quotechar": self.quote, "skipinitialspace": True}


def find_dialect(head: str) -> Dialect:
    """The dialect of a CSV file that starts with `head`."""
    first, _, rest = head.partition("\n")
    hint = re.fullmatch(r"\s*sep=(.)\s*", first, re.IGNORECASE)
    separator = hint.group(1) if hint else _separator(head)
    return Dialect(separator, _quote(rest if hint else head, separator), hint is not None)


def _separator(text: str) -> str:
    """The separator that cuts the first lines into the most even number of cells, two at least; white space as a last resort."""
    lines = [line for line in text[:20_000].splitlines() if line.strip()][:50]
    best, score = ",", 0.0
    for separator in _SEPARATORS:
        counts = [len(row) for row in csv.reader(lines, delimiter=separator, skipinitialspace=True) if row]
        usual = max(set(counts), key=counts.count, default=1)
        evenness = counts.count(usual) / len(counts) if counts else 0.0
        if counts and counts[0] == usual and usual > 1 and evenness > score:
            best, score = separator, evenness
    if score == 0.0 and lines and all(len(line.split(" ")) == 2 for line in lines):
        return " "
    return best


def _quote(text: str, separator: str) -> str:
    """The sign around cells: ' only where most lines have such a cell and none has one in "."""
    lines = [line for line in text[:20_000].splitlines() if line.strip()][1:50]
    edge = re.escape(separator)
    quoted = {sign: sum(bool(re.search(rf"(^|{edge})\s*{sign}[^{sign}]*{sign}\s*({edge}|$)", line)) for line in lines) for sign in "'\""}
    return "'" if quoted["'"] > len(lines) / 2 and not quoted['"'] else '"'

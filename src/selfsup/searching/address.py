"""Where an index lies: a folder with Milvus Lite in it, or a collection of a Milvus server."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from selfsup.run import Run

COLLECTION = "selfsup"
TOKEN = "SELFSUP_MILVUS_TOKEN"
"""The environment variable that a server's token stands in: nowhere else, so that it gets into no file, log or message."""

_NAME = re.compile(r"[A-Za-z_]\w{0,254}", re.ASCII)  # what Milvus takes for a collection


@dataclass(frozen=True)
class Address:
    """`to` as the user gave it, a folder or `http(s)://host:port`, and the collection in it."""

    to: str
    collection: str = COLLECTION

    @classmethod
    def parse(cls, to: str | Path, collection: str = COLLECTION) -> Address:
        """Check what a user gave. Raises ValueError; a password in an address is not repeated."""
        if not _NAME.fullmatch(collection):
            raise ValueError(f"{collection!r} was given for a collection; expected a name of letters, digits and _, such as {COLLECTION}.")
        scheme, colon, _ = str(to).partition("://")
        if not colon and collection != COLLECTION:
            raise ValueError(
                f"The collection {collection} was given with the folder {to}, which holds one index. Give another folder for it."
            )
        if not colon:
            return cls(str(Path(to).expanduser()), collection)
        if scheme not in ("http", "https"):
            raise ValueError(f"{scheme}:// was given. Expected a folder for Milvus Lite, or a server as http://host:19530.")
        parts = urlsplit(str(to))
        if "@" in parts.netloc:
            raise ValueError(f"The address holds a name or password, which would be written down. Put NAME:PASSWORD into {TOKEN} instead.")
        if not parts.hostname or parts.query or parts.fragment:
            raise ValueError(f"{to} is no address of a server. Expected http://host:19530, and a collection's name by --collection.")
        return cls(str(to).rstrip("/"), collection)

    @property
    def is_server(self) -> bool:
        """Whether it is a server's, and not a folder."""
        return "://" in self.to

    @property
    def database(self) -> Path:
        """The folder that Milvus Lite keeps its files in."""
        assert not self.is_server, "a server keeps its files itself"
        return Path(self.to) / "milvus.db"

    def ledger(self, run: Run) -> Path:
        """The folder for the Parquet files that the index is made from: in the index's own folder, of a server's in that of the run."""
        if not self.is_server:
            return Path(self.to)
        slug = re.sub(r"[^A-Za-z0-9]+", "-", self.to.partition("://")[2]).strip("-")
        return run.folder / "indexes" / f"{slug}-{self.collection}"

    def __str__(self) -> str:
        return f"{self.to} (collection {self.collection})" if self.is_server else self.to

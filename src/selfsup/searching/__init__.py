"""Searching: embeddings of a data set in a vector database, and what in it is most like a picture, a text or a row."""

from __future__ import annotations

from selfsup.searching.filling import Indexed
from selfsup.searching.finding import Found, Hit, Searcher, opened, search
from selfsup.searching.indexing import index

__all__ = ["Found", "Hit", "Indexed", "Searcher", "index", "opened", "search"]

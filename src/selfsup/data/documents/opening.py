"""Where documents come from: `open_documents` takes whatever a user calls their texts and gives a stream of them."""

from __future__ import annotations

import codecs
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from selfsup.data.decode import suffix_of
from selfsup.data.documents.columns import Wanted
from selfsup.data.documents.document import Documents, Findings
from selfsup.data.documents.files import FileDocuments, FileReader
from selfsup.data.documents.formats import bare_name, format_of, has_no_ending, looks_like_document
from selfsup.data.documents.languages import LanguageRule
from selfsup.data.documents.memory import MemoryDocuments
from selfsup.data.documents.rows import RowReader
from selfsup.data.paths import ARCHIVES, existing_path, matching_files
from selfsup.data.scan import Found, list_files, scan_folder

_EXPECTED = (
    "Expected texts: a folder with .txt, .md, .rst, .csv, .tsv, .jsonl or .parquet files, one of them, a glob such as 'mails/**/*.txt', "
    "each also packed as .gz or .zst, or in Python a list of strings, of dicts or of pairs (id, text)."
)
_TRIED = 10  # tables whose columns are looked at before reading starts
_NO_TEXT = ("idna", "punycode", "undefined", "unicode_escape", "raw_unicode_escape")  # what Python calls encodings beside those of texts


def open_documents(
    data: object, *, text: str | None = None, id: str | None = None, language: str | None = None, encoding: str | None = None
) -> Documents:
    """The documents of a folder (nested, kinds mixed), file, glob, list of paths, list of texts, table in memory, or iterable.

    A file of running text is one document, a row of a table (.csv, .tsv, .jsonl, .parquet) another; gzip and zstd are unpacked. `text`
    names the columns of a table that hold it ("subject,body" are joined by a blank line), by default one is found and named in `notes`.
    `id` is a column that names the documents. `language` is a column, "folder" (the first below the root), "folder:2", "name" (the de in
    page.de.txt) or one for all ("=de"). `encoding` is that of all files; by default it is told for each from its bytes.

    Memory does not grow with the size of files, only with their number: about 500 bytes each. A text of more than 16 million characters is
    cut into pieces. An iterable has to begin anew each time: a generator is given as the function that makes it.
    Raises ValueError that says what came, what was expected, and how to mend it.
    """
    if isinstance(data, Documents):
        return data
    rule = LanguageRule.parse(language)
    wanted = Wanted(text, id, rule.column)
    _check_encoding(encoding)
    if isinstance(data, (str, Path)):
        found, name, root = _found(str(data))
    elif isinstance(data, (list, tuple)) and data and all(isinstance(entry, Path) for entry in data):
        found, name, root = _listed([Path(entry).expanduser().absolute() for entry in data])
    else:
        entries, name = entries_of(data)
        return MemoryDocuments(entries, name, wanted=wanted, language=rule)
    if not found.items:
        raise ValueError(_nothing(found, name))
    files = FileDocuments(name, str(root.resolve()), found.items, wanted=wanted, language=rule, encoding=encoding, unread=found.skipped)
    files.ignored = dict(found.ignored)
    _check_columns(files)
    return files


def _found(data: str) -> tuple[Found, str, Path]:
    """The files of a path or a glob, what the user calls them, and the folder that their names start from."""
    path = existing_path(data, expected=_EXPECTED)
    if path is None:
        paths, root = matching_files(data, expected=_EXPECTED)
        return list_files(paths, root, _any_but_archives), data, root
    if not path.is_dir():
        if not _any_but_archives(path.name):
            raise ValueError(f"{path} is an archive. Unpack it and give the folder. {_EXPECTED}")
        return list_files([path], path.parent, _any_but_archives), str(path), path.parent
    try:
        found = scan_folder(path, looks_like_document)
        if not found.items:  # mail and newsgroups are kept in files without an ending
            found = scan_folder(path, has_no_ending)
    except OSError as error:
        raise ValueError(f"The folder {path} could not be read: {error.strerror or error}. Check its permissions.") from None
    return found, str(path), path


def _listed(paths: list[Path]) -> tuple[Found, str, Path]:
    root = Path(os.path.commonpath([path.parent for path in paths]))
    return list_files(paths, root, _any_but_archives), f"a list of {len(paths):,} paths", root


def _any_but_archives(path: str) -> bool:
    return suffix_of(bare_name(path)) not in ARCHIVES


def _nothing(found: Found, name: str) -> str:
    if found.skipped:
        first, reason = next(iter(found.skipped.items()))
        return f"{name}: none of its {len(found.skipped):,} files could be read, for example {first}: {reason}. {_EXPECTED}"
    if found.ignored:
        seen = ", ".join(f"{count:,} {suffix}" for suffix, count in found.ignored.most_common(5))
        return f"{name} holds no text, but other files ({seen}). {_EXPECTED}"
    return f"{name} is empty. {_EXPECTED}"


def _check_encoding(encoding: str | None) -> None:
    if encoding is None:
        return
    try:
        good = codecs.lookup(encoding).name.replace("-", "_") not in _NO_TEXT and isinstance("a".encode(encoding), bytes)
    except LookupError:
        good = False
    if not good:
        raise ValueError(f"encoding={encoding!r} was given. Expected one that Python knows, such as utf-8, cp1252, shift_jis or utf-16.")


def _check_columns(documents: FileDocuments) -> None:
    """Look at the first tables. Raises ValueError when none of them has the columns, and nothing else could be read."""
    tables = [file for file in documents.files if format_of(file.id) not in (None, "text")]
    named = documents.wanted.names
    if named and not tables:
        raise ValueError(f"Columns were named ({', '.join(sorted(named))}), but {documents.name} holds no table. {_EXPECTED}")
    if not tables or (len(tables) < len(documents.files) and not named):
        return
    reasons = list[str]()
    for file in tables[:_TRIED]:
        findings = Findings()
        reader = RowReader(documents.wanted, documents.language, findings)
        if next(FileReader(file, findings, reader, documents.encoding).documents(), None) is not None:
            return
        reasons += [f"{file.id}: {reason}" for name, reason in findings.skipped.items() if "column" in reason]
    if reasons:
        raise ValueError(f"{documents.name}: {reasons[0]}.")


def entries_of(data: Any) -> tuple[Callable[[], Iterable[object]], str]:
    """A function that begins data of Python's anew, and what to call them. Raises ValueError."""
    kind = type(data).__name__
    if isinstance(data, Iterator):
        raise ValueError(
            f"A {kind} was given, which can be read only once. Expected what begins anew each time: a list, or the function that makes it, "
            "as in open_documents(lambda: read_my_texts())."
        )
    if hasattr(data, "itertuples") and hasattr(data, "columns"):  # a DataFrame of pandas
        return lambda: _frame_rows(data), f"a table of {len(data):,} rows"
    if hasattr(data, "to_batches") and hasattr(data, "schema"):  # a table of pyarrow
        return lambda: (row for batch in data.to_batches(max_chunksize=1024) for row in batch.to_pylist()), f"a table of {len(data):,} rows"
    if isinstance(data, Mapping):
        return _table_entries(data), f"a dict of {len(data):,} columns"
    if isinstance(data, Sequence) and not isinstance(data, bytes):
        _refuse_paths(data)
        return lambda: data, f"a list of {len(data):,} entries"
    if callable(data):
        return data, f"the function {getattr(data, '__name__', kind)}"
    if isinstance(data, Iterable) or hasattr(data, "__getitem__"):
        return lambda: data, f"a {kind}"
    raise ValueError(f"{kind} was given. {_EXPECTED}")


def _frame_rows(frame: Any) -> Iterator[Mapping[str, object]]:
    names = [str(name) for name in frame.columns]
    return (dict(zip(names, row, strict=True)) for row in frame.itertuples(index=False, name=None))


def _table_entries(columns: Mapping[Any, Any]) -> Callable[[], Iterable[object]]:
    if not columns or any(isinstance(cells, str) or not hasattr(cells, "__len__") for cells in columns.values()):
        raise ValueError(f"A dict with {', '.join(map(str, columns)) or 'nothing'} was given. Expected columns, as in {{'text': [...]}}.")
    lengths = {str(name): len(cells) for name, cells in columns.items()}
    if len(set(lengths.values())) > 1:
        raise ValueError(f"A dict with columns of different lengths was given: {lengths}. Expected one cell a row in each.")
    return lambda: (dict(zip(lengths, row, strict=True)) for row in zip(*columns.values(), strict=True))


def _refuse_paths(data: Sequence[object]) -> None:
    """Names of files in a list of texts would be learned as texts."""
    head = data[:20]
    if head and all(isinstance(entry, str) and len(entry) < 1000 and format_of(entry) and Path(entry).is_file() for entry in head):
        raise ValueError(f"A list of names of files was given, such as {head[0]!r}. Expected texts; for files, give Path({head[0]!r}).")

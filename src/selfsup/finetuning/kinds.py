"""The kinds of data that models read: what a model keeps of a run to read new data alike, and how it is trained on it."""

from __future__ import annotations

import dataclasses
import tempfile
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import torch

from selfsup.backbones import Settings, TextSettings, Vocabulary, build_from, build_text_from
from selfsup.data import open_store
from selfsup.data.documents.columns import split_names
from selfsup.data.documents.kind import column_names
from selfsup.data.documents.languages import LanguageRule
from selfsup.data.tables import TABLE_SUFFIXES
from selfsup.data.tokens.tokenizer import Tokenizer
from selfsup.embedding import PictureReading, Reading, TextReading
from selfsup.finetuning.recipe import Recipe
from selfsup.options import check_choice
from selfsup.run import Run
from selfsup.train.precision import Kernels
from selfsup.views import Augment

SMALLEST, MOST_JITTER = 0.6, 0.3
"""Views for labels are gentler than those for pretraining: what a label speaks of has to stay in them."""

PICTURE_RATE, TEXT_RATE, DECAY, LENGTH = 3e-3, 1e-3, 0.5, 0.5
"""What trials on development sets found (docs/results.md): twice as many steps changed nothing there."""


class Kind(ABC):
    """What differs between pictures and texts. `reads` is how they are read."""

    reads: ClassVar[type[Reading[Any]]]

    @staticmethod
    @abstractmethod
    def recipe(run: Run, *, balanced: bool, views: Mapping[str, Any]) -> tuple[Recipe, dict[str, Sequence[Any]]]:
        """How networks of a run are fine-tuned, and what of it is tried; `views` are the user's wishes for them. Raises ValueError."""

    @staticmethod
    @abstractmethod
    def kept(run: Run, network: Any, told: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any], dict[str, bytes]]:
        """What a model keeps: how to build the network, how to read data, and files."""

    @staticmethod
    @abstractmethod
    def network(described: Mapping[str, Any], folder: Path) -> Any:
        """The network that a model in a folder describes, without its weights."""

    @staticmethod
    @abstractmethod
    def reading(described: Mapping[str, Any], folder: Path, data: Any, *, kind: str, told: Mapping[str, Any]) -> Reading[Any]:
        """Data as a model in a folder reads it; `told` is what a user said of how texts are read. Raises ValueError."""


class PictureKind(Kind):
    """Pictures, decoded to the size that the run had."""

    reads: ClassVar[type[Reading[Any]]] = PictureReading

    @staticmethod
    def recipe(run: Run, *, balanced: bool, views: Mapping[str, Any]) -> tuple[Recipe, dict[str, Sequence[Any]]]:
        """The run's views made gentle, with what was wished for; those of the run themselves are tried too."""
        known = [item.name for item in dataclasses.fields(Augment) if item.name != "size"]
        for name in views:
            check_choice("view option", name, known)
        wished: dict[str, Any] = {name: _view_option(name, value) for name, value in views.items()}
        own = augment_of(run)
        augments = tuple(dict.fromkeys(dataclasses.replace(augment, **wished) for augment in (gentle(own), own)))
        kernels = Kernels(**run.choices.get("kernels", {}))
        settings: dict[str, Any] = {"learning_rate": PICTURE_RATE, "layer_decay": DECAY, "length": LENGTH, "frozen_statistics": True}
        return Recipe(augments[0], balanced=balanced, kernels=kernels, **settings), {"augment": augments}

    @staticmethod
    def kept(run: Run, network: Any, told: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any], dict[str, bytes]]:
        """Settings of the backbone; side and channels of pictures."""
        return dataclasses.asdict(network.settings), {"side": run.store_side, "channels": run.channels}, {}

    @staticmethod
    def network(described: Mapping[str, Any], folder: Path) -> Any:
        """A backbone as its settings say."""
        settings: dict[str, Any] = {name: tuple(value) if name in ("mean", "std") else value for name, value in described.items()}
        with torch.random.fork_rng(devices=[]):
            return build_from(Settings(**settings))

    @staticmethod
    def reading(described: Mapping[str, Any], folder: Path, data: Any, *, kind: str, told: Mapping[str, Any]) -> Reading[Any]:
        """Pictures in a store of the side that the model takes."""
        opened = PictureReading.opened(data, kind=kind, told=told)
        return PictureReading(opened, open_store(opened, side=described["side"], channels=described["channels"]))


class TextKind(Kind):
    """Documents, as ids of the run's tokeniser."""

    reads: ClassVar[type[Reading[Any]]] = TextReading

    @staticmethod
    def recipe(run: Run, *, balanced: bool, views: Mapping[str, Any]) -> tuple[Recipe, dict[str, Sequence[Any]]]:
        """Stretches of documents, as they are."""
        if views:
            raise ValueError(f"{', '.join(views)}: options of views are for pictures, and the run learned from texts. Leave them out.")
        kernels = Kernels(**run.choices.get("kernels", {}))
        settings: dict[str, Any] = {"learning_rate": TEXT_RATE, "layer_decay": DECAY, "length": LENGTH, "frozen_statistics": True}
        return Recipe(None, balanced=balanced, kernels=kernels, **settings), {}

    @staticmethod
    def kept(run: Run, network: Any, told: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any], dict[str, bytes]]:
        """Settings of the backbone; which columns held text; the tokeniser."""
        with tempfile.TemporaryDirectory() as place:
            Tokenizer.load(run.folder).save(place)
            files = {file.name: file.read_bytes() for file in sorted(Path(place).iterdir())}
        return dataclasses.asdict(network.settings), {"told": dict(told)}, files

    @staticmethod
    def network(described: Mapping[str, Any], folder: Path) -> Any:
        """A backbone as its settings say, for the tokeniser in the folder."""
        with torch.random.fork_rng(devices=[]):
            return build_text_from(TextSettings(**described), Vocabulary.of(Tokenizer.load(folder)))

    @staticmethod
    def reading(described: Mapping[str, Any], folder: Path, data: Any, *, kind: str, told: Mapping[str, Any]) -> Reading[Any]:
        """Documents as ids of the tokeniser in the folder; columns of a table as they were where nothing else is said.

        What names documents or says their language is not needed to classify: a table may lack it.
        """
        how = dict(told)
        if isinstance(data, str | Path) and Path(data).suffix.lower() in TABLE_SUFFIXES:
            how = _remembered(described.get("told", {}), Path(data).expanduser()) | how
        return TextReading.reading_as(folder, TextReading.opened(data, kind=kind, told=how))


def _remembered(told: Mapping[str, Any], table: Path) -> dict[str, Any]:
    """What was said of the texts learned from, without columns of ids and languages that a table lacks."""
    optional = {"id": told.get("id"), "language": LanguageRule.parse(told.get("language")).column}
    columns = column_names(table, known=[name for name in (*optional.values(), *split_names(told.get("text"))) if name])
    missing = {name for name, column in optional.items() if columns and column and column.strip().casefold() not in columns}
    return {name: value for name, value in told.items() if name not in missing}


KINDS: dict[str, type[Kind]] = {"image": PictureKind, "text": TextKind}
"""By the kind that `run.json` and `model.json` say."""


def kind_of(name: str, folder: Path) -> type[Kind]:
    """How data of a kind is read. Raises ValueError for one that this release does not know."""
    if name not in KINDS:
        raise ValueError(f"{folder} is for {name!r}; this release fine-tunes on {', '.join(KINDS)}.")
    return KINDS[name]


def augment_of(run: Run) -> Augment:
    """The views a run was trained with, as far as its options name them. Colours stay as they are where no option speaks of them."""
    known = {item.name for item in dataclasses.fields(Augment)} - {"size", "crop", "noise"}
    named = {name: tuple(value) if isinstance(value, list) else value for name, value in run.options.items() if name in known}
    options: dict[str, Any] = {"jitter": 0.0, "grey": 0.0} | named
    smallest = run.options.get("crop", 0.2)
    smallest = smallest if isinstance(smallest, float | int) and 0 < smallest <= 1 else 0.2  # a user's task may mean something else by it
    return Augment(size=run.size, crop=(float(smallest), 1.0), **options)


def gentle(augment: Augment) -> Augment:
    """Views that keep most of a picture and its colours, flipped and turned as before."""
    smallest = max(augment.crop[0], SMALLEST)
    return dataclasses.replace(augment, crop=(smallest, 1.0), jitter=min(augment.jitter, MOST_JITTER), blur=0.0, solarise=0.0)


def _view_option(name: str, value: Any) -> Any:
    """`"0.5"` as a number, `"0.3,1"` as a range; what is no text stays. A single number for the crop is its smallest area."""
    if isinstance(value, str):
        try:
            numbers = tuple(float(part) for part in value.split(","))
        except ValueError:
            raise ValueError(f"the view option {name} got {value!r}; expected a number, or a range such as 0.3,1.") from None
        value = numbers if len(numbers) > 1 else numbers[0]
    return (float(value), 1.0) if name == "crop" and isinstance(value, float | int) else value

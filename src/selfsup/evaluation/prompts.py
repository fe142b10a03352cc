"""Prompts: class names put into sentences like the captions a network learned from, in any number of languages."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

PLACE = "{}"

BARE = (PLACE,)
"""The class's name alone: what is asked where nothing else is said."""

KNOWN: dict[str, tuple[str, ...]] = {
    "en": ("{}", "a picture of {}"),
    "de": ("{}", "ein Bild von {}"),
    "fr": ("{}", "une image de {}"),
    "es": ("{}", "una imagen de {}"),
    "it": ("{}", "un'immagine di {}"),
    "pt": ("{}", "uma imagem de {}"),
    "nl": ("{}", "een afbeelding van {}"),
}
"""What is asked in a language that is named without templates; others ask for the name alone."""


@dataclass(frozen=True)
class Prompts:
    """The templates of one language, and what classes are called in it where that is not what labels call them: a name, or several."""

    language: str
    templates: tuple[str, ...] = BARE
    names: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        wrong = [template for template in self.templates if PLACE not in template]
        if wrong or not self.templates:
            came = repr(wrong[0]) if wrong else "no template"
            raise ValueError(
                f"{came} was given for {self.language or 'all languages'}; expected templates with {PLACE} for the class's name."
            )

    def texts(self, label: str) -> list[list[str]]:
        """What is asked for one class: for each of its names, that name in all templates."""
        return [[template.replace(PLACE, name) for template in self.templates] for name in self.names.get(label, (label,))]


def read_prompts(given: str | Path | Sequence[str] | Mapping[str, Any] | None) -> list[Prompts]:
    """Prompts from a template ("a photo of {}"), languages ("en,de"), a file, a list of templates, or a mapping of languages.

    A file is .json, {"de": ["ein Bild von {}"]} or {"de": {"templates": [...], "names": {"cat": "Katze", "bird": ["Huhn", "Eule"]}}}, or
    text with a template a line, behind a language and a tab where there are several. Raises ValueError.
    """
    if given is None:
        return [Prompts("")]
    if isinstance(given, Mapping):
        return [_of_language(str(language), content) for language, content in given.items()]
    if not isinstance(given, str | Path):
        return [Prompts("", tuple(given))]
    if PLACE in str(given):
        return [Prompts("", (str(given),))]
    if Path(given).expanduser().is_file():
        return _in_file(Path(given).expanduser())
    languages = [name.strip() for name in str(given).split(",") if name.strip()]
    if not languages or any("/" in name or "." in name for name in languages):
        raise ValueError(
            f"templates={str(given)!r} was given. Expected a template with {PLACE}, languages such as en,de, or a file of them."
        )
    return [Prompts(name, KNOWN.get(name, BARE)) for name in languages]


def _in_file(file: Path) -> list[Prompts]:
    text = file.read_text(encoding="utf-8")
    if file.suffix.lower() == ".json":
        try:
            content = json.loads(text)
        except json.JSONDecodeError as error:
            raise ValueError(f"{file} is no JSON: {error}") from None
        if not isinstance(content, dict | list):
            raise ValueError(f"{file} holds {type(content).__name__}; expected languages with their templates, or a list of templates.")
        return read_prompts(content)
    found: dict[str, list[str]] = {}
    for line in filter(str.strip, text.splitlines()):
        language, tab, template = line.partition("\t")
        found.setdefault(language.strip() if tab else "", []).append(template if tab else line)
    return [Prompts(language, tuple(templates)) for language, templates in found.items()] or [Prompts("", ())]


def _of_language(language: str, content: Any) -> Prompts:
    if isinstance(content, str):
        return Prompts(language, (content,))
    if isinstance(content, Mapping):
        return Prompts(language, tuple(content.get("templates", BARE)), _names(content.get("names", {})))
    return Prompts(language, tuple(content))


def _names(given: Mapping[str, Any]) -> dict[str, tuple[str, ...]]:
    found = {str(label): (own,) if isinstance(own, str) else tuple(own) for label, own in given.items()}
    for label, own in found.items():
        if not own or not all(isinstance(name, str) and name.strip() for name in own):
            raise ValueError(f"class {label!r} is called {given[label]!r}; expected a name, or a list of names.")
    return found

"""Task options: read from the constructor's signature, the only place that names them, and checked in one place."""

from __future__ import annotations

import difflib
import json
import types
from typing import Any, Literal, Union, get_args, get_origin

from selfsup.pretext import Pretext, option_types, options_of

BOOLEANS = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}
NOTHING = {"none": None, "": None}


def parse_settings(pairs: list[str]) -> dict[str, str]:
    """`["option=value", …]`, as `--set` gives them, as a dict. Raises ValueError for anything without an equals sign."""
    settings = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals or not name.strip():
            raise ValueError(f"--set {pair!r} is not option=value; expected something like --set temperature=0.2.")
        settings[name.strip()] = value.strip()
    return settings


def task_options(task: type[Pretext], given: dict[str, Any]) -> dict[str, Any]:
    """Every option of the task with its value: as given, converted to its annotated type, or its default.

    Raises ValueError for an unknown option, naming the nearest, and for a value that does not fit its type.
    """
    known, expected = options_of(task), option_types(task)
    for name in given:
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            hint = f" Did you mean {near[0]!r}?" if near else ""
            raise ValueError(f"{task.__name__} has no option {name!r}.{hint} It has: {', '.join(known) or 'none'}.")
    chosen = {}
    for name, parameter in known.items():
        if name not in given and parameter.default is parameter.empty:
            raise ValueError(f"{task.__name__} needs option {name!r}: give it with --set {name}=VALUE.")
        chosen[name] = _converted(name, given[name], expected[name]) if name in given else parameter.default
    return chosen


def check_choice(name: str, value: str, choices: list[str]) -> None:
    """Raise ValueError unless `value` is one of `choices`."""
    if value not in choices:
        near = difflib.get_close_matches(value, choices, n=1)
        hint = f" Did you mean {near[0]!r}?" if near else ""
        raise ValueError(f"{name} {value!r} is not known.{hint} Expected one of {', '.join(choices)}.")


def _converted(name: str, value: Any, expected: Any) -> Any:
    """`value`, often a string from the command line, as what the annotation expects."""
    options = get_args(expected) if get_origin(expected) in (Union, types.UnionType) else (expected,)
    for option in options:
        try:
            return _as(value, option)
        except (KeyError, TypeError, ValueError):
            continue
    raise ValueError(f"option {name}={value!r} does not fit; expected {_words(expected)}.")


def _as(value: Any, expected: Any) -> Any:
    if get_origin(expected) is Literal:
        if value in get_args(expected):
            return value
        raise ValueError
    if expected is bool:
        return value if isinstance(value, bool) else BOOLEANS[str(value).lower()]
    if expected is type(None):
        return NOTHING[str(value).lower()]
    if expected is int and isinstance(value, float) and not value.is_integer():
        raise ValueError
    if expected in (int, float, str) and value is not None:
        return expected(value)
    if get_origin(expected) in (tuple, list):
        parts = value if not isinstance(value, str) else json.loads(value if value.startswith("[") else f"[{value}]")
        return get_origin(expected)(parts)
    return value


def _words(expected: Any) -> str:
    if get_origin(expected) is Literal:
        return "one of " + ", ".join(map(str, get_args(expected)))
    return getattr(expected, "__name__", str(expected))

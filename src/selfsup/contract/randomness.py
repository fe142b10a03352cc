"""Hidden randomness: draws that do not come from the one generator they may come from."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch.overrides import TorchFunctionMode, resolve_name

FACTORIES = {torch.rand, torch.randn, torch.randint, torch.randperm}
"""Draws that make a tensor from nothing: without `device=` it is made on the CPU, and a run on an accelerator fails."""


OTHERS = (
    (random, "random", "random randint randrange uniform gauss choice choices shuffle sample betavariate"),
    (np.random, "numpy.random", "rand randn random randint uniform normal choice shuffle permutation beta binomial poisson"),
)
"""Where else random numbers come from: the module, its name, its functions."""


class DrawWatch(TorchFunctionMode):
    """Tells `note(sign, words)` of each draw that does not come from `rng`, or of each draw at all where `rng` is None.

    A draw without a generator is known by torch's global state, which it changes; a draw from another one by its argument.
    """

    def __init__(self, rng: torch.Generator | None, note: Callable[[str, str], None]) -> None:
        super().__init__()
        self.rng, self.note = rng, note

    def __torch_function__(self, func: Callable[..., Any], types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        before = torch.get_rng_state()
        result = func(*args, **kwargs)
        generator = kwargs.get("generator")
        if generator is not None and generator is not self.rng:
            self._tell(func, "from a generator of its own" if self.rng is not None else "a random number")
        elif not torch.equal(before, torch.get_rng_state()):
            self._tell(func, "without generator=" if self.rng is not None else "a random number")
        elif func in FACTORIES and "device" not in kwargs:
            advice = "add device=rng.device, or it fails on an accelerator"
            self.note(f"device {name_of(func)}", f"{name_of(func)} drew without device=; {advice}.")
        return result

    def _tell(self, func: Callable[..., Any], how: str) -> None:
        name = name_of(func)
        self.note(f"draw {name}", f"{name} drew {how}, {_advice(self.rng)}")


@contextmanager
def other_draws(rng: torch.Generator | None, note: Callable[[str, str], None]) -> Iterator[None]:
    """Tells `note(sign, words)` of each use of Python's and numpy's random numbers."""

    def watched(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def draw(*args: Any, **kwargs: Any) -> Any:
            note(f"draw {name}", f"{name} drew numbers that rng knows nothing of, {_advice(rng)}")
            return function(*args, **kwargs)

        return draw

    before = [(module, name, title, getattr(module, name)) for module, title, names in OTHERS for name in names.split()]
    for module, name, title, function in before:
        setattr(module, name, watched(f"{title}.{name}", function))
    try:
        yield
    finally:
        for module, name, _, function in before:
            setattr(module, name, function)


def _advice(rng: torch.Generator | None) -> str:
    if rng is None:
        return "and nothing may be drawn here, so that a run can be repeated; draw it in views, from rng."
    return "so a run could not be repeated; use torch's, with generator=rng, device=rng.device."


def name_of(func: Callable[..., Any]) -> str:
    """`torch.rand`, `Tensor.uniform_`, `torch.nn.functional.dropout`."""
    name = str(resolve_name(func) or f"torch.{getattr(func, '__name__', func)}")
    return name.replace("torch.nn.functional.", "F.").replace("torch.Tensor.", "Tensor.")

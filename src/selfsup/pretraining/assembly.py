"""A task on its backbone, with the user's own views if there are any. What is the user's own is tried first."""

from __future__ import annotations

from typing import Any

import torch

from selfsup.backbones import Backbone, PairBackbone, TextBackbone
from selfsup.contract import check_before_training, made
from selfsup.pretext import Pretext
from selfsup.pretraining.wishes import Wishes
from selfsup.tasks import TASKS, find_task, load_attribute
from selfsup.train.distributed import device


def assembled(wishes: Wishes, net: Backbone | TextBackbone | PairBackbone, options: dict[str, Any], *, store_side: int) -> Pretext:
    """The task on its backbone, on the device, with the user's own views if any. What is the user's own is tried first."""
    kind: Any = find_task(wishes.task)
    module: Pretext = made(kind, lambda: kind(net, **options))
    if wishes.views is not None:
        function = load_attribute(wishes.views)
        if not callable(function):
            raise ValueError(f"--views {wishes.views} is {type(function).__name__}; expected a function of (image, rng).")
        module.own_views = function
    own = wishes.task if wishes.task not in TASKS else None
    if own is not None or wishes.views is not None:
        check_before_training(module, name=own, views=wishes.views, side=store_side)
    module.to(device())
    seeing = net.image if isinstance(net, PairBackbone) else net
    convolves = isinstance(seeing, Backbone) and seeing.patch is None
    return module.to(memory_format=torch.channels_last) if convolves else module  # the layout convolutions are fastest in

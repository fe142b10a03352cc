"""Options of picture tasks outside their range end in one message that names the option, what came and what was expected."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from sklearn.datasets import load_digits

from selfsup.pretraining import pretrain
from small_tasks import make

OUTSIDE: list[tuple[str, dict[str, Any], str]] = [
    ("simclr", {"temperature": -0.2}, "temperature is -0.2; expected more than 0."),
    ("simclr", {"temperature": 0.0}, "temperature is 0.0; expected more than 0."),
    ("simclr", {"hidden": 0}, "a head's layers would have 256, 0, 128 numbers; expected at least 1 in each."),
    ("moco", {"temperature": 0.0}, "temperature is 0.0; expected more than 0."),
    ("moco", {"momentum": 1.5}, "momentum is 1.5; expected a share, from 0 to 1."),
    ("moco", {"queue": -1}, "queue=-1: expected how many keys are remembered"),
    ("byol", {"momentum": -1.0}, "momentum is -1.0; expected a share, from 0 to 1."),
    ("simsiam", {"bottleneck": 0}, "expected at least 1 in each"),
    ("swav", {"temperature": -0.1}, "temperature is -0.1; expected more than 0."),
    ("swav", {"epsilon": 0.0}, "epsilon is 0.0; expected more than 0."),
    ("swav", {"iterations": -1}, "iterations is -1; expected 0 or more."),
    ("swav", {"prototypes": 1}, "prototypes is 1"),
    ("dino", {"temperature": 0.0}, "temperature is 0.0; expected more than 0."),
    ("dino", {"first_temperature": 0.0}, "first_temperature is 0.0; expected more than 0."),
    ("dino", {"teacher_temperature": -1.0}, "teacher_temperature is -1.0; expected more than 0."),
    ("dino", {"warm_up": -1.0}, "warm_up is -1.0; expected a share, from 0 to 1."),
    ("dino", {"outputs": 1}, "outputs is 1; expected 2 or more."),
    ("dino", {"bottleneck": 0, "normalise": False}, "bottleneck is 0; expected more than 0."),
    ("dino", {"momentum": 2.0}, "momentum is 2.0; expected a share, from 0 to 1."),
    ("ibot", {"size": 32, "patches": -1.0}, "patches is -1.0; expected 0 or more."),
    ("ibot", {"size": 32, "koleo": -0.1}, "koleo is -0.1; expected 0 or more."),
    ("barlow_twins", {"redundancy": -1.0}, "redundancy is -1.0; expected 0 or more."),
    ("barlow_twins", {"dimensions": 0}, "expected at least 1 in each"),
    ("vicreg", {"variance": -1.0}, "variance is -1.0; expected 0 or more."),
    ("lejepa", {"sigreg": 1.5}, "sigreg is 1.5; expected a share, from 0 to 1."),
    ("lejepa", {"directions": 0}, "directions is 0; expected 1 or more."),
    ("lejepa", {"local_crop": 0.5}, "local_crop is 0.5 and crop 0.4"),
    ("lejepa", {"local_side": 17}, "local_side is 17; expected 1 to 16 pixels"),
    ("visreg", {"regularity": -1.0}, "regularity is -1.0; expected a share, from 0 to 1."),
    ("visreg", {"scale": -1.0}, "scale is -1.0; expected 0 or more."),
    ("data2vec", {"momentum": 1.5}, "momentum is 1.5; expected a share, from 0 to 1."),
    ("data2vec", {"layers": 0}, "layers is 0; expected 1 or more."),
    ("data2vec", {"width": -1}, "width is -1; expected 0 or more."),
    ("ijepa", {"visible": -1.0}, "visible is -1.0; expected more than 0."),
    ("ijepa", {"predictor_depth": 0}, "predictor_depth is 0; expected 1 or more."),
    ("ijepa", {"predictor_width": 90}, "predictor_width is 90; expected a multiple of 4 and of its 3 heads."),
    ("ijepa", {"predictor_width": 0}, "predictor_width is 0; expected a multiple"),
]


@pytest.mark.parametrize(("task", "options", "words"), OUTSIDE, ids=[f"{task}-{'-'.join(options)}" for task, options, _ in OUTSIDE])
def test_an_option_outside_its_range_is_named(task: str, options: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError) as told:  # noqa: PT011 - the words are compared below, whole and not as an expression
        make(task, **options)
    assert words in str(told.value)


@pytest.mark.parametrize("options", [{}, {"accumulate": 4, "batch_size": 4}])
def test_a_task_that_compares_rows_wants_two(tmp_path: Path, options: dict[str, Any]) -> None:
    asked = {"batch_size": 1, **options}
    with pytest.raises(ValueError, match=rf"batch size {asked['batch_size']}, over .* give --batch-size .* or more"):
        pretrain(load_digits().images[:20] / 16, task="vicreg", size=16, steps=2, out=tmp_path / "run", **asked)

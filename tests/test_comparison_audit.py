"""Views that break the labels are off in a comparison, as the labels say that are not tested."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from selfsup.auditing import Audit
from selfsup.comparison import label_audit
from selfsup.comparison.label_audit import audited
from selfsup.comparison.wishes import Comparing, comparing
from test_auditing import sided

PICTURES, SIDES = sided(300)


def asked(*, tasks: tuple[str, ...] = ("simclr", "rotation"), budget: str = "1h", options: dict[str, float] | None = None) -> Comparing:
    more: dict[str, Any] = {"seeds": 1, "seed": 0, "probes": ("linear",), "labels_per_class": (10,), "draws": 5, "weights": None}
    shared = {"holdout": 0.2, "kind": "auto"}
    return comparing(PICTURES, labels=SIDES, tasks=tasks, settings=options or {}, budget=budget, shared=shared, **more)


def test_what_breaks_the_labels_is_off_unless_the_user_wants_it() -> None:
    wishes = asked(options={"rotation.flip": 0.5})
    found = audited(PICTURES, wishes, wishes.units)
    options = {unit.name: dict(unit.options) for unit in found.units}
    assert options["simclr"]["flip"] == 0
    assert options["rotation"]["flip"] == 0.5
    assert "irroring" in found.said[0]
    assert "not tested" in found.said[0]
    assert found.said[1].startswith("So these were set: simclr with flip=0")
    assert "rotation with flip" not in found.said[1]


def test_no_tested_label_is_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of three hundred, a fifth is held out for the test: their labels never reach the audit."""
    seen: dict[str, Any] = {}

    def looked(*_: Any, labels: dict[str, str], **more: Any) -> Audit:
        seen.update(labels=labels, more=more)
        raise ValueError("nothing was asked")

    monkeypatch.setattr(label_audit, "audit", looked)
    wishes = asked()
    found = audited(PICTURES, wishes, wishes.units)
    assert found.units == wishes.units
    assert found.said == ["Whether views break these labels could not be asked: nothing was asked"]
    from selfsup.data import make_split, open_source

    ids = open_source(PICTURES).ids
    train = {ids[row]: SIDES[row] for row in make_split(ids, holdout=0.2).rows("train")}
    assert seen["labels"] == train
    assert 0.7 < len(train) / len(ids) < 0.9


def test_where_nothing_is_held_out_the_fifth_that_is_tested_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    counted: list[int] = []

    def looked(*_: Any, labels: dict[str, str], **__: Any) -> Audit:
        counted.append(len(labels))
        raise ValueError("nothing was asked")

    monkeypatch.setattr(label_audit, "audit", looked)
    wishes = replace(asked(), shared={"kind": "auto"})
    audited(PICTURES, wishes, wishes.units)
    assert counted == [240]


def test_a_short_budget_changes_nothing() -> None:
    wishes = asked(budget="60s")
    assert audited(PICTURES, wishes, wishes.units).units == wishes.units


def test_fewer_large_pictures_are_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    """A picture of 64 px costs about twice what one of 28 does."""
    counted: list[int] = []

    def looked(*_: Any, pictures: int, **__: Any) -> Audit:
        counted.append(pictures)
        raise ValueError("nothing was asked")

    monkeypatch.setattr(label_audit, "audit", looked)
    for size in (28, 64, 224):
        wishes = replace(asked(budget="10m"), shared={"kind": "auto", "size": size})
        audited(PICTURES, wishes, wishes.units)
    assert counted[0] == 899
    assert 0.4 < counted[1] / counted[0] < 0.6
    assert counted[2] == counted[1]


def test_views_of_ones_own_stay(tmp_path: Path) -> None:
    """Whatever the audit would say of flips: what the user's own views do is the user's."""
    (tmp_path / "mine.py").write_text("def views(image, rng):\n    return image\n")
    wishes = asked(tasks=("simclr", f"rotation+{tmp_path / 'mine.py'}:views"))
    own = audited(PICTURES, wishes, wishes.units).units[1]
    assert own.options == {}

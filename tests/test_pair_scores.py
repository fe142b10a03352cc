"""Scores of pairs: recall and chance counted by hand, duplicates that are right, prompts, and zero-shot classes."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from selfsup import cli
from selfsup.evaluation import evaluate, evaluate_pairs
from selfsup.evaluation.pair_retrieval import both_ways, matches_of, ranks_of
from selfsup.evaluation.prompts import KNOWN, Prompts, read_prompts
from selfsup.evaluation.zero_shot import called, name_directions, zero_shot_score
from selfsup.pretraining import pretrain
from selfsup.reporting import report
from selfsup.run import Run
from small_pairs import arrays, table
from test_pairs import QUICK


def test_ranks_against_plain_loops() -> None:
    chance = np.random.default_rng(0)
    queries, gallery = chance.normal(size=(7, 4)), chance.normal(size=(9, 4))
    own = chance.random((7, 9)) < 0.3
    own[:, 0] = True
    expected = []
    for i in range(7):
        near = [float(queries[i] @ gallery[j]) for j in range(9)]
        best = max(near[j] for j in range(9) if own[i, j])
        expected.append(sum(near[j] >= best and not own[i, j] for j in range(9)))
    assert ranks_of(queries, gallery, own).tolist() == expected


def test_a_text_that_another_picture_has_too_is_right() -> None:
    """Three pictures, two of which are called alike: with perfect directions all is found, whichever of the two comes first."""
    captions = [[("a Dog", "en"), ("ein Hund", "de")], [("a  dog", "en")], [("a cat", "en"), ("kitten", "en")]]
    matches = matches_of(captions, [0, 1, 2], "en")
    assert matches is not None
    assert matches.texts == ["a Dog", "a cat", "kitten"]
    assert matches.own.tolist() == [[True, False, False], [True, False, False], [False, True, True]]
    pictures = np.eye(2)[[0, 0, 1]]
    texts = np.eye(2)[[0, 1, 1]]
    across, back = both_ways([(pictures, texts)], matches)
    assert (across.queries, across.candidates, back.queries) == (3, 3, 3)
    assert across.recall[1].value == back.recall[1].value == 1.0
    assert across.recall[1].low < 1.0, "three pictures say little"
    assert across.chance[1] == pytest.approx((1 + 1 + 2) / 9)
    assert back.chance[1] == pytest.approx((2 + 1 + 1) / 9)
    assert across.chance[5] == 1.0
    assert matches_of(captions, [0, 1, 2], "de") is None


def test_what_has_collapsed_finds_nothing() -> None:
    same = np.ones((5, 3))
    assert (ranks_of(same, same, np.eye(5, dtype=bool)) == 4).all()


def test_chance_of_several_draws_is_that_of_an_urn() -> None:
    captions = [[(f"text {number}", "en")] for number in range(20)]
    matches = matches_of(captions, range(20), "en")
    assert matches is not None
    found = both_ways([(np.ones((20, 2)), np.ones((20, 2)))], matches)[0]
    assert found.chance == pytest.approx({1: 1 / 20, 5: 1 - math.comb(19, 5) / math.comb(20, 5), 10: 0.5})


def test_prompts_of_every_form(tmp_path: Path) -> None:
    assert read_prompts(None) == [Prompts("", ("{}",))]
    assert read_prompts("a photo of {}.") == [Prompts("", ("a photo of {}.",))]
    assert read_prompts("de,fi") == [Prompts("de", KNOWN["de"]), Prompts("fi", ("{}",))]
    (tmp_path / "p.txt").write_text("en\ta {}\nen\tthe {}\nde\tein {}\n", encoding="utf-8")
    assert read_prompts(tmp_path / "p.txt") == [Prompts("en", ("a {}", "the {}")), Prompts("de", ("ein {}",))]
    content = {"de": {"templates": ["ein {}"], "names": {"dog": "Hund", "bird": ["Huhn", "Eule"]}}, "en": ["a {}"]}
    (tmp_path / "p.json").write_text(json.dumps(content), encoding="utf-8")
    german, english = read_prompts(str(tmp_path / "p.json"))
    assert german.texts("dog") == [["ein Hund"]]
    assert german.texts("bird") == [["ein Huhn"], ["ein Eule"]]
    assert english.texts("dog") == [["a dog"]]
    with pytest.raises(ValueError, match="class 'dog' is called \\[\\]; expected a name, or a list"):
        read_prompts({"en": {"names": {"dog": []}}})
    with pytest.raises(ValueError, match=r"expected templates with \{\}"):
        read_prompts(["no place"])
    with pytest.raises(ValueError, match="or a file of them"):
        read_prompts("none/here.txt")


def test_classes_are_called_by_the_mean_of_their_prompts() -> None:
    directions = name_directions([np.array([[1.0, 0.0], [0.0, 1.0]]), np.array([[1.0, 0.0]])])
    np.testing.assert_allclose(directions, np.array([[math.sqrt(0.5), math.sqrt(0.5)], [1, 0]]), atol=1e-7)
    assert called(np.array([[0.0, 1.0], [1.0, 0.0], [0.0, 0.0]], np.float32), directions, each=[1, 1]).tolist() == [0, 1, -1]
    found = zero_shot_score(np.array([[0, 0, 0, 1, 1]]), np.array([0, 0, 0, 0, 1]), classes=2, groups=None, language="", templates=("{}",))
    assert found.metric == "balanced accuracy"
    assert found.score.value == pytest.approx((3 / 4 + 1) / 2)
    assert found.chance == 0.5


def test_a_class_with_several_names_is_as_near_as_the_nearest_of_them() -> None:
    names = np.array([[1.0, 0.0], [0.0, 1.0], [0.6, 0.8]], np.float32)  # two of the first class, one of the second
    pictures = np.array([[1.0, 0.1], [0.1, 1.0], [0.6, 0.8], [-0.8, 0.6]], np.float32)
    assert called(pictures, names, each=[2, 1]).tolist() == [0, 0, 1, 0]
    alone = [int(np.argmax([max(names[0] @ one, names[1] @ one), names[2] @ one])) for one in pictures]
    assert alone == [0, 0, 1, 0]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return table(tmp_path_factory.mktemp("pairs"))


@pytest.fixture(scope="module")
def run(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    return pretrain(str(data), **QUICK, steps=80, holdout=0.25, out=tmp_path_factory.mktemp("runs") / "clip")


def test_a_run_is_scored_on_what_it_did_not_see_and_beats_chance(run: Run) -> None:
    scores = evaluate_pairs(run, labels="colour", templates={"en": ["a {} bar", "a {} square", "a {} column"]}, initialisations=2)
    assert scores.pictures == 12
    trained, untrained = scores.rows
    assert (trained.row, untrained.seeds) == ("clip", 2)
    assert {(one.group, one.way) for one in trained.retrieval} == {
        (g, w) for g in ("en", "de") for w in ("picture to text", "text to picture")
    }
    for one in trained.retrieval:
        assert one.recall[5].value > one.chance[5]
    assert trained.zero_shot[0].classes == 4
    assert trained.zero_shot[0].score.value > 0.25
    saved = json.loads((run.folder / "pair_scores.json").read_text())
    assert saved["rows"][0]["retrieval"][0]["recall"]["1"]["value"] == pytest.approx(trained.retrieval[0].recall[1].value, abs=1e-6)
    page = report(run.folder).read_text(encoding="utf-8")
    found = 50 * sum(one.recall[1].value for one in trained.retrieval if one.way == "picture to text")
    assert f"CLIP finds the caption of {found:.1f} % of pictures at once" in page
    assert "did not finish" not in page


def test_pairs_that_were_learned_from_are_noted(tmp_path: Path) -> None:
    made = arrays(16)
    run = pretrain(made, **QUICK, steps=1, out=tmp_path / "run")
    scores = evaluate_pairs(run, made, initialisations=1)
    assert "--holdout" in scores.notes[0]
    assert not scores.rows[0].zero_shot


def test_the_commands(run: Run, data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def said(*line: Any) -> tuple[int | str | None, str]:
        with pytest.raises(SystemExit) as stop:
            cli.main([str(word) for word in line])
        shown = capsys.readouterr()
        return stop.value.code, shown.out + shown.err

    code, words = said("evaluate", run.folder, data, "--labels", "colour", "--probes", "zero_shot", "--templates", "a {} bar")
    assert code == 0, words
    assert "recall@10" in words
    assert "chance among" in words
    assert "zero-shot" in words
    code, words = said("evaluate", run.folder, data, "--probes", "zero_shot")
    assert (code, "expected --labels too" in words) == (2, True)
    code, words = said("evaluate", run.folder, data, "--labels", "colour", "--probes", "finetune")
    assert (code, "name a side" in words) == (2, True)
    code, words = said("report", run.folder)
    assert code == 0, words
    page = (run.folder / "report.html").read_text(encoding="utf-8")
    assert "Pictures and captions found by one another" in page
    assert page.count("picture to text") == 2, "two languages"
    assert page.count("chance among") == 4, "both ways of each"


def test_the_picture_side_is_scored_as_runs_on_pictures_are(run: Run, data: Path) -> None:
    results = evaluate(run.folder / "image", str(data), labels="colour", labels_per_class=(1,), baselines=["pixels"])
    assert {row.row for row in results.rows if row.kind == "run"} == {"clip"}
    assert results.test == 12

"""The report: one HTML file that parses, asks the network for nothing, says what is missing, and lets no name become markup."""

from __future__ import annotations

import base64
import io
import json
import re
import shutil
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import report_fixture as fixture
from selfsup.reporting import report
from selfsup.reporting.chart import spread, ticks
from selfsup.reporting.map import place
from selfsup.reporting.markup import escape, tag
from selfsup.reporting.neighbours import nearest, queries
from selfsup.reporting.vectors import Vectors
from selfsup.reporting.wording import duration, interval, listing, percent, signed, task_title

HOSTILE = "<script>alert('1')</script>\u202e.png"
SKIPPED = {HOSTILE: "damaged: <img src=x onerror=alert(2)>", "b/blurred.png": "not a picture"}
VOID = {"meta", "img", "br"}


class Page(HTMLParser):
    """Checks nesting, and gathers elements, attributes and text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.feed(text)
        self.close()
        assert not self.open

    def handle_starttag(self, name: str, attributes: list[tuple[str, str | None]]) -> None:
        self.elements.append((name, dict(attributes)))
        if name not in VOID:
            self.open.append(name)

    def handle_endtag(self, name: str) -> None:
        assert self.open.pop() == name

    def handle_data(self, text: str) -> None:
        if "style" not in self.open:
            self.texts.append(text)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.texts).split())

    def named(self, name: str) -> list[dict[str, str | None]]:
        return [attributes for element, attributes in self.elements if element == name]


def read(file: Path) -> Page:
    return Page(file.read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three tasks, SimCLR with two seeds, scores and labels: as `make demo` leaves them, but made up."""
    root = tmp_path_factory.mktemp("report")
    data = fixture.write_data(root / "digits.npz")
    runs = root / "runs"
    for task, seed in (("simclr", 0), ("simclr", 1), ("rotation", 0), ("dae", 0)):
        fixture.write_run(runs / f"{task}-{seed}", task, data, seed=seed, skipped=SKIPPED)
    fixture.write_results(runs, fixture.results({"simclr": ["simclr-0", "simclr-1"], "rotation": ["rotation-0"], "dae": ["dae-0"]}))
    return runs


@pytest.fixture(scope="module")
def page(folder: Path) -> Page:
    return read(report(folder))


def test_opens_with_the_verdict(page: Page) -> None:
    assert page.texts[page.texts.index("selfsup report on digits.npz") + 1].startswith("SimCLR beats raw pixels by 17.")
    assert "95 % interval of the difference to raw pixels: 16.2 to 18.3 points." in page.text
    assert "Rotation and raw pixels are not told apart: +0.4 points, 95 % interval −0.6 to +1.5" in page.text
    assert "DAE is 6.6 points worse than raw pixels" in page.text


def test_a_report_of_one_run_opens_with_that_run(folder: Path, tmp_path: Path) -> None:
    """Others were scored with it, and one of them is better."""
    one = tmp_path / "dae-0"
    shutil.copytree(folder / "dae-0", one)
    for name in ("results.json", "labels.parquet"):
        shutil.copy(folder / name, one / name)
    page = read(report(one))
    opening = page.texts[page.texts.index("selfsup report on digits.npz") + 1]
    assert opening == "DAE is 6.6 points worse than raw pixels"
    assert "SimCLR beats raw pixels by 17." in page.text


def test_sections_come_in_reading_order(page: Page) -> None:
    anchors = [attributes["id"] for attributes in page.named("section")]
    assert anchors == ["saw", "rebuilt", "training", "scores", "labels", "neighbours", "map", "skipped", "settings"]


def test_asks_the_network_for_nothing(page: Page, folder: Path) -> None:
    text = (folder / "report.html").read_text(encoding="utf-8")
    assert "://" not in text
    assert not re.search(r"url\(|@import", text)
    assert {name for name, _ in page.elements}.isdisjoint({"script", "link", "iframe", "object", "embed", "base", "form"})
    for _, attributes in page.elements:
        for name in ("src", "href", "srcset", "data", "action", "xlink:href"):
            assert (attributes.get(name) or "#").startswith(("data:image/png;base64,", "#"))
        assert not any(name.startswith("on") for name in attributes)
    policy = next(a["content"] for a in page.named("meta") if a.get("http-equiv") == "Content-Security-Policy")
    assert policy is not None
    assert "default-src 'none'" in policy


def test_names_never_become_markup(page: Page) -> None:
    assert "<script>alert('1')</script>\ufffd.png" in page.text
    assert not [a for a in page.named("img") if a["src"] == "x"]


def test_views_are_shown_at_the_resolution_of_the_network(page: Page, folder: Path) -> None:
    sharp = [a for a in page.named("img") if a.get("class") == "sharp" and (a["alt"] or "").startswith("view a")]
    assert len(sharp) == 8
    assert {a["width"] for a in sharp} == {"112"}
    image = Image.open(io.BytesIO(base64.b64decode((sharp[0]["src"] or "").partition(",")[2])))
    with np.load(folder / "simclr-0" / "samples" / "pictures.npz") as samples:
        np.testing.assert_array_equal(np.asarray(image), samples["views/a"][0, 0])
    assert "28 × 28 px, 1 channel, shown 4 times as large." in page.text


def test_neighbours_show_pictures_and_labels(page: Page) -> None:
    alts = [a["alt"] or "" for a in page.named("img")]
    assert sum(bool(re.fullmatch(r"\d{7}", alt)) for alt in alts) == 3 * 6 * 7
    assert "✓" in page.text


def test_every_setting_is_there(page: Page) -> None:
    for words in (
        "options · temperature",
        "choices · precision",
        "bf16",
        "version · torch",
        "2.14.1",
        "layer chosen by evaluate",
        "stage3/mean",
    ):
        assert words in page.text


def test_without_samples_leaves_out_every_sample(folder: Path, tmp_path: Path) -> None:
    content = fixture.results({"simclr": ["simclr-0", "simclr-1"], "rotation": ["rotation-0"], "dae": ["dae-0"]})
    content |= {
        "notes": ["near-copies across the split: 0000004 and b/blurred.png", "draws were paired"],
        "unmatched_labels": ["missing/file.png"],
    }
    copy = tmp_path / "runs"
    shutil.copytree(folder / "simclr-0", copy / "simclr-0")
    fixture.write_results(copy, content)
    text = report(copy, without_samples=True).read_text(encoding="utf-8")
    found = Page(text)
    assert not found.named("img")
    assert "data:image" not in text
    assert not re.search(r"\b0000\d{3}\b", text)
    for name in ("blurred", "alert", "missing/file", "near-copies"):
        assert name not in text
    assert "2 files" in found.text
    assert "draws were paired" in found.text
    with_samples = report(copy).read_text(encoding="utf-8")
    assert "near-copies" in with_samples
    assert "missing/file" in with_samples


def test_one_run_without_scores_says_how_to_score_it(tmp_path: Path) -> None:
    data = fixture.write_data(tmp_path / "digits.npz", 40)
    fixture.write_run(tmp_path / "run", "simclr", data, pictures=40)
    found = read(report([tmp_path / "run"], out=tmp_path / "deep" / "page.html"))
    assert "SimCLR trained, not scored yet" in found.text
    assert "selfsup evaluate RUN DATA --labels LABELS" in found.text
    assert "no file" in found.text
    assert (tmp_path / "deep" / "page.html").is_file()


def test_a_bare_run_is_reported_with_what_is_missing(tmp_path: Path) -> None:
    run = fixture.write_run(tmp_path / "run", "mae", tmp_path / "gone", pictures=40)
    for file in ("metrics.jsonl", "embeddings.parquet", "backbone.safetensors", "samples/pictures.npz"):
        (run.folder / file).unlink()
    text = read(report(run.folder)).text
    for words in ("did not finish", "no backbone.safetensors", "No pictures were kept", "No training log", "No embeddings were saved"):
        assert words in text


def test_damaged_files_do_not_stop_the_report(tmp_path: Path) -> None:
    run = fixture.write_run(tmp_path / "good", "dae", tmp_path / "gone.npz", pictures=40)
    (run.samples / "pictures.npz").write_bytes(b"PK\x03\x04 cut short")
    with run.metrics_file.open("a") as stream:
        stream.write('{"step": 901, "warning": "<b>the embeddings have collapsed</b>"}\n{"step": 905, "loss": NaN}\n{"step": 910, "lo')
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad" / "run.json").write_text('{"format": 99}')
    (tmp_path / "results.json").write_text("{")
    page = read(report(tmp_path))
    for words in (
        "has format 99",
        "results.json",
        "<b>the embeddings have collapsed</b>",
        "gone.npz can no longer be read",
        "No pictures were kept",
    ):
        assert words in page.text
    assert not page.named("b") or "the embeddings have collapsed" not in page.texts


def test_a_run_that_stopped_early_says_where(tmp_path: Path) -> None:
    run = fixture.write_run(tmp_path / "run", "simclr", tmp_path / "gone.npz", pictures=20)
    fixture.write_metrics(run, until=300)
    assert "stopped at step 300 of 900" in read(report(run.folder)).text


def test_seeds_of_a_task_that_took_more_or_fewer_steps_say_so(tmp_path: Path) -> None:
    runs = [fixture.write_run(tmp_path / f"simclr-{seed}", "simclr", tmp_path / "gone.npz", seed=seed, pictures=20) for seed in (0, 1)]
    assert "2 runs (seeds 0 and 1), each 900 steps of 256 in 1 min 30 s, " in read(report(tmp_path)).text
    fixture.write_metrics(runs[1], until=600)
    assert "each 600 to 900 steps of 256 in 1 min to 1 min 30 s, " in read(report(tmp_path)).text


def test_a_single_score_needs_no_chart(tmp_path: Path) -> None:
    run = fixture.write_run(tmp_path / "run", "simclr", tmp_path / "gone.npz", pictures=20)
    content = fixture.results({"simclr": ["run"]})
    for name in ("rows", "comparisons"):
        content[name] = [row for row in content[name] if (row["probe"], row["labels_per_class"]) == ("linear", 10)]
    fixture.write_results(run.folder, content, 20)
    page = read(report(run.folder))
    assert "labels" not in [a["id"] for a in page.named("section")]
    assert "SimCLR beats raw pixels" in page.text
    assert [a for a in page.named("td") if a.get("class") == "primary"]


def test_skewed_classes_open_the_class_table(tmp_path: Path) -> None:
    run = fixture.write_run(tmp_path / "run", "simclr", tmp_path / "gone.npz", pictures=20)
    content = fixture.results({"simclr": ["run"]}, skewed=True, classes=2)
    fixture.write_results(run.folder, content | {"class_counts": {"0": 900, "1": 20}, "transductive": True}, 20)
    page = read(report(run.folder))
    assert "Balanced accuracy of a linear probe" in page.text
    assert "900 in the largest, 20 in the smallest" in page.text
    assert "transductive" in page.text
    assert {"open": "open"} in page.named("details")


@pytest.mark.parametrize(
    ("difference", "verdict", "words"),
    [(0.004, "not told apart", "SimCLR and raw pixels are not told apart"), (-0.05, "worse", "SimCLR is 5.0 points worse than raw pixels")],
)
def test_misses_are_the_headline_too(tmp_path: Path, difference: float, verdict: str, words: str) -> None:
    run = fixture.write_run(tmp_path / "run", "simclr", tmp_path / "gone.npz", pictures=20)
    content = fixture.results({"simclr": ["run"]})
    for entry in content["comparisons"]:
        entry |= {"difference": difference, "low": difference - 0.01, "high": difference + 0.01, "verdict": verdict}
    fixture.write_results(run.folder, content, 20)
    assert f"{words} · selfsup report" in read(report(run.folder)).text


def test_runs_scored_one_by_one_share_a_table(tmp_path: Path) -> None:
    for task in ("simclr", "dae"):
        run = fixture.write_run(tmp_path / task, task, tmp_path / "gone.npz", pictures=20)
        content: dict[str, Any] = fixture.results({"simclr": ["simclr"], "dae": ["dae"]})
        for key in ("rows", "comparisons", "confusion", "per_class"):
            content[key] = [row for row in content[key] if row["row"] == task or row.get("kind") == "baseline"]
        (run.folder / "results.json").write_text(json.dumps(content))
    page = read(report([tmp_path / "simclr", tmp_path / "dae"]))
    assert (tmp_path / "report.html").is_file()
    assert [a["id"] for a in page.named("section")].count("scores") == 1
    assert "scores-2" not in str(page.elements)
    assert "DAE is" in page.text
    assert "SimCLR beats raw pixels" in page.text


@pytest.mark.parametrize("name", ["missing", "empty"])
def test_nothing_to_report_is_an_error_that_helps(tmp_path: Path, name: str) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(ValueError, match="selfsup pretrain"):
        report(tmp_path / name)


def test_plain_text_is_escaped_and_markup_is_not() -> None:
    assert (
        tag("p", 'a<b & "c"', tag("i", "d"), title='"><script>')
        == '<p title="&quot;&gt;&lt;script&gt;">a&lt;b &amp; &quot;c&quot;<i>d</i></p>'
    )
    assert escape("a\x00\u202e\udcffb") == "a\ufffd\ufffd\ufffdb"


def test_numbers_in_words() -> None:
    assert [percent(0.8987), signed(-0.042), signed(0.0004), interval(0.88, 0.912)] == ["89.9", "−4.2", "0.0", "88.0–91.2"]
    assert [duration(0.25), duration(90), duration(7380)] == ["0.2 s", "1 min 30 s", "2 h 3 min"]
    assert listing(["a"]) == "a"
    assert listing(["a", "b", "c"]) == "a, b and c"
    assert [task_title(t) for t in ("simclr", "rotation", "mae", "mine.py:MyTask")] == ["SimCLR", "Rotation", "MAE", "MyTask"]
    assert [task_title(t) for t in ("ibot", "data2vec", "ijepa")] == ["iBOT", "data2vec", "I-JEPA"]


def test_ticks_are_round_and_labels_keep_apart() -> None:
    assert ticks(0.0, 1.0) == [0.0, 0.5, 1.0]
    assert ticks(0, 900) == [0, 500]
    places = spread([30.0, 31.0, 32.0, 80.0], 0.0, 100.0, 15.0)
    assert min(np.diff(places)) > 14.9
    assert places[-1] == pytest.approx(80.0)


def test_nearest_by_cosine_and_queries_take_turns() -> None:
    vectors = np.array([[1, 0], [5, 0.1], [0, 1], [0.1, 0.9], [-1, 0]], dtype=np.float32)
    made = Vectors(list("abcde"), ["test"] * 5, vectors, ["x", "x", "y", "y", None])
    assert [i for i, _ in nearest(made, 0, 2)] == [1, 3]
    assert nearest(made, 0, 1)[0][1] == pytest.approx(5 / np.hypot(5, 0.1), abs=1e-6)
    assert {made.labels[i] for i in queries(made, 2)} == {"x", "y"}


def test_map_of_a_collapsed_or_tiny_embedding() -> None:
    flat = Vectors([str(i) for i in range(50)], ["train"] * 50, np.ones((50, 4), dtype=np.float32), [None] * 50)
    assert place(flat).method == "All alike: no map"
    few = Vectors(["a", "b", "c"], ["train"] * 3, np.eye(3, dtype=np.float32), ["x", "y", None])
    assert place(few).places.shape == (3, 2)

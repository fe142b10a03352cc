"""The guide to exports is true: its commands run, its code is what the folders' READMEs say, and gives what `embed` gives."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from command_line import success
from exported_runs import TEXTS, model_of, picture_files, picture_run, side_of, text_run
from selfsup.embedding import embed
from selfsup.finetuning import predict

PAGE = (Path(__file__).parents[1] / "docs" / "exporting.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```(\w+)\n(.*?)```", PAGE, re.DOTALL)
COMMANDS = [shlex.split(line)[1:] for language, code in BLOCKS if language == "sh" for line in code.splitlines()]
CODE = [code for language, code in BLOCKS if language == "python"]


def test_the_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    runs = {
        "photos": picture_run(tmp_path / "runs" / "photos", "compact_convnet", size=64, side=128),
        "patches": picture_run(tmp_path / "runs" / "patches", "compact_vit", size=32, side=64),
        "mails": text_run(tmp_path / "runs" / "mails", "bert-tiny", "masked_lm")[0],
    }
    paths = [str(path) for path in picture_files(tmp_path / "pictures")]
    texts = [text[:20] for text in TEXTS]
    monkeypatch.chdir(tmp_path)
    of_runs = [line for line in COMMANDS if line[1].startswith("runs/") and "--layer" not in line]
    assert len(of_runs) == len(CODE) == 4
    for line, code in zip(of_runs, CODE, strict=True):
        success(capsys, *line)
        name, out = Path(line[1]).name, Path(line[-1])
        assert f"```python\n{code}```" in (out / "README.md").read_text(encoding="utf-8"), "the code of the page is the code of the folder"
        defined: dict[str, Any] = {}
        exec(code, defined)
        pictures = name != "mails"
        found = np.asarray(defined["embeddings"](paths if pictures else texts))
        data: Any = tmp_path / "pictures" if pictures else [(str(n), text) for n, text in enumerate(texts)]
        expected = embed(runs[name], data, out=tmp_path / f"{out.name}.parquet").vectors
        np.testing.assert_allclose(found, expected, atol=1e-5 * max(1.0, float(np.abs(expected).max())))
    side_of(picture_run(tmp_path / "runs" / "clip" / "image", "compact_convnet", size=28, side=28), 12)
    side_of(text_run(tmp_path / "runs" / "clip" / "text", "bert-tiny", "masked_lm")[0], 12)
    of_sides = [line for line in COMMANDS if line[1].startswith("runs/clip/")]
    assert [("12 numbers an item, from layer shared/mean" in success(capsys, *line)) for line in of_sides] == [True, True]
    model = model_of(runs["mails"], tmp_path / "models" / "mails", "layer1/mean")
    [line] = [line for line in COMMANDS if line[1].startswith("models/")]
    success(capsys, *line)
    [code] = re.findall(r"```python\n(.*?)```", (Path(line[-1]) / "README.md").read_text(encoding="utf-8"), re.DOTALL)
    told: dict[str, Any] = {}
    exec(code, told)
    assert told["classes"] == model.classes
    found = told["probabilities"](texts)
    np.testing.assert_allclose(found, predict(model, [(str(n), text) for n, text in enumerate(texts)]).probabilities, atol=1e-5)
    for name in re.findall(r"--format ([\w-]+)", PAGE):
        assert f"| `{name}` |" in PAGE

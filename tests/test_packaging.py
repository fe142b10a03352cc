"""The built wheel works away from this folder, and what the project says about itself fits together."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tomllib
import zipfile
from pathlib import Path

import pytest

import selfsup

ROOT = Path(__file__).parents[1]


def run(*command: str | Path, **options: str) -> str:
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "PIP_"))} | options
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, env=environment, cwd=ROOT.anchor, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built from a copy: building writes beside the sources."""
    copy = tmp_path_factory.mktemp("source")
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, copy)
    shutil.copytree(ROOT / "src", copy / "src", ignore=shutil.ignore_patterns("__pycache__", "*.egg-info"))
    out = tmp_path_factory.mktemp("wheel")
    run(sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "--no-index", "-w", out, copy)
    [built] = out.glob("selfsup-*.whl")
    return built


def test_wheel_holds_the_package_and_nothing_else(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
        metadata = archive.read(next(name for name in names if name.endswith("/METADATA"))).decode()
    sources = {file.relative_to(ROOT / "src").as_posix() for file in (ROOT / "src" / "selfsup").rglob("*") if file.suffix == ".py"}
    assert sources | {"selfsup/py.typed"} <= names
    assert all(name.startswith(("selfsup/", "selfsup-")) for name in names)
    assert any(name.endswith("licenses/LICENSE") for name in names)
    assert f"Version: {selfsup.__version__}" in metadata
    assert "License-Expression: Apache-2.0" in metadata


def test_wheel_runs_in_an_empty_environment(wheel: Path, tmp_path: Path) -> None:
    """Dependencies are taken from this environment by a path file, which does not see this environment's own selfsup."""
    home = tmp_path / "venv"
    run(sys.executable, "-m", "venv", "--without-pip", home)
    python = home / "bin" / "python"
    site = Path(run(python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))").strip())
    run(sys.executable, "-m", "pip", "--python", python, "install", "--quiet", "--no-deps", "--no-index", wheel)
    (site / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n", encoding="utf-8")
    place = run(python, "-c", "import selfsup; print(selfsup.__file__)").strip()
    assert Path(place).is_relative_to(home)
    said = run(home / "bin" / "selfsup", "doctor", SELFSUP_CACHE=str(tmp_path / "cache"))
    assert "GFLOP/s" in said


def test_constraints_cover_every_extra() -> None:
    """Every package that any extra names has an exact version, and none is for CUDA."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    lines = [line for line in (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines() if line and not line.startswith("#")]
    assert all(re.fullmatch(r"[\w.-]+==[\w.+]+", line) for line in lines), "exact versions only"
    pinned = {plain(line.partition("==")[0]) for line in lines}
    asked = [*project["dependencies"], *(line for lines in project["optional-dependencies"].values() for line in lines)]
    assert {plain(re.split(r"[<>=!~\[; ]", line)[0]) for line in asked} <= pinned
    assert not [name for name in pinned if name.startswith(("nvidia", "cuda", "triton"))]


def plain(name: str) -> str:
    """A package's name as PEP 503 compares it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def test_public_names_load() -> None:
    for name in dir(selfsup):
        assert getattr(selfsup, name) is not None
    assert not hasattr(selfsup, "nothing")

"""The shape of the package: imports point one way, files stay small, names say what they hold."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from itertools import combinations
from pathlib import Path

import pytest

from selfsup.tasks import TASKS

SOURCE = Path(__file__).parents[1] / "src" / "selfsup"
ORDER = (
    "run",
    "timing",
    "progress",
    "ranges",
    "data",
    "views",
    "backbones",
    "pretext",
    "losses",
    "heads",
    "teachers",
    "clusters",
    "joint_embedding",
    "latent_prediction",
    "tasks",
    "options",
    "train",
    "samples",
    "contract",
    "trained",
    "cluster",
    "generation",
    "pretraining",
    "embedding",
    "probing",
    "finetuning",
    "evaluation",
    "downstream",
    "exporting",
    "reporting",
    "searching",
    "auditing",
    "curating",
    "comparison",
    "doctor",
    "terminal",
    "commands",
    "cli",
    "__main__",
)
VAGUE = {"util", "utils", "common", "misc", "helper", "helpers", "tools", "base", "core"}
FILES = sorted(SOURCE.rglob("*.py"))


def layer_of(module: str) -> str:
    """`selfsup.data.store` is in the layer `data`."""
    return module.split(".")[1]


def module_of(file: Path) -> str:
    parts = file.relative_to(SOURCE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imported(file: Path) -> Iterator[tuple[int, str]]:
    """Line and full name of everything of ours that a file imports, at the top or inside a function."""
    package = module_of(file) if file.name == "__init__.py" else module_of(file).rpartition(".")[0]
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            above = package.rsplit(".", node.level - 1)[0] + "." if node.level else ""
            names = [f"{above}{node.module or ''}".rstrip(".") + f".{alias.name}" for alias in node.names]
        else:
            continue
        yield from ((node.lineno, name) for name in names if name.startswith("selfsup."))


@pytest.mark.parametrize("file", [file for file in FILES if file.parent != SOURCE or file.name != "__init__.py"], ids=module_of)
def test_imports_point_one_way(file: Path) -> None:
    own = layer_of(module_of(file))
    assert own in ORDER, f"{own} has no place in the order: add it to ORDER where it belongs"
    for line, name in imported(file):
        target = layer_of(name)
        if target == "__version__":
            continue
        assert target in ORDER, f"{file}:{line} imports {name} from selfsup itself; import it from the module it lives in"
        assert ORDER.index(target) <= ORDER.index(own), f"{file}:{line}: {own} comes before {target} and may not import it"


@pytest.mark.parametrize("file", FILES, ids=module_of)
def test_files_stay_small(file: Path) -> None:
    lines = len(file.read_text(encoding="utf-8").splitlines())
    assert lines <= 400, f"{file} has {lines} lines: split it by noun"


def test_no_name_that_excludes_nothing() -> None:
    vague = [file for file in SOURCE.rglob("*") if file.stem in VAGUE]
    assert not vague, f"{vague}: name what it holds"


def test_training_never_names_a_task() -> None:
    """The loop knows the four places of a task; a name in it would mean that a task's line has no home in the task."""
    names = {*TASKS, *(place.partition(":")[2] for place in TASKS.values())}
    for file in (SOURCE / "train").rglob("*.py"):
        tree = ast.parse(file.read_text(encoding="utf-8"))
        used = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
        used |= {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute) and node.attr != "clip"}  # of a gradient's norm
        used |= {str(node.value) for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str)}
        assert not used & names, f"{file} names {used & names}"
        assert not any(layer_of(name) == "tasks" for _, name in imported(file)), f"{file} imports from tasks"


def test_modules_are_not_named_like_public_functions() -> None:
    """With lazy imports a module `embed.py` would replace the function `selfsup.embed`."""
    import selfsup

    modules = {file.stem for file in SOURCE.iterdir()}
    assert not modules & {name for name in dir(selfsup) if name != "__version__"}


def test_every_task_of_the_table_is_one_file() -> None:
    for name, place in TASKS.items():
        module, _, attribute = place.partition(":")
        file = SOURCE.parent.joinpath(*module.split(".")).with_suffix(".py")
        classes = {node.name for node in ast.parse(file.read_text(encoding="utf-8")).body if isinstance(node, ast.ClassDef)}
        assert file.parent == SOURCE / "tasks", f"task {name} lives in {file}"
        assert attribute in classes, f"{file} has no {attribute}"


@pytest.mark.parametrize("frame", [(), ("def __init__(", "self,", "backbone: Backbone,", "*,")], ids=["all", "no frames"])
def test_no_two_tasks_share_six_lines(frame: tuple[str, ...]) -> None:
    """What two tasks share has a place of its own. Imports are no code, and blank lines do not count, nor lines that begin as `frame`."""
    runs = {file.name: _runs(file, 6, frame) for file in sorted((SOURCE / "tasks").glob("*.py")) if file.name != "__init__.py"}
    assert len(runs) == len(TASKS)
    shared = {(one, other): both for one, other in combinations(runs, 2) if (both := runs[one] & runs[other])}
    assert not shared


def _runs(file: Path, length: int, frame: tuple[str, ...]) -> set[tuple[str, ...]]:
    """Every run of so many lines of code in a file, but for those that begin as `frame`."""
    text = file.read_text(encoding="utf-8")
    imported = {
        line
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.Import | ast.ImportFrom)
        for line in range(node.lineno, (node.end_lineno or node.lineno) + 1)
    }
    code = [line.strip() for number, line in enumerate(text.splitlines(), start=1) if line.strip() and number not in imported]
    lines = [line for line in code if not line.startswith(frame)]
    return {tuple(lines[start : start + length]) for start in range(len(lines) - length + 1)}

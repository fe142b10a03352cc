"""The table of tasks. Adding one is a file beside this one and a line here."""

from __future__ import annotations

import difflib
import importlib
import importlib.util
import sys
import traceback
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from selfsup.pretext import Pretext

TASKS = {
    "rotation": "selfsup.tasks.rotation:Rotation",
    "relative_location": "selfsup.tasks.relative_location:RelativeLocation",
    "jigsaw": "selfsup.tasks.jigsaw:Jigsaw",
    "colorization": "selfsup.tasks.colorization:Colorization",
    "simclr": "selfsup.tasks.simclr:SimCLR",
    "barlow_twins": "selfsup.tasks.barlow_twins:BarlowTwins",
    "vicreg": "selfsup.tasks.vicreg:VICReg",
    "lejepa": "selfsup.tasks.lejepa:LeJEPA",
    "visreg": "selfsup.tasks.visreg:VISReg",
    "byol": "selfsup.tasks.byol:BYOL",
    "simsiam": "selfsup.tasks.simsiam:SimSiam",
    "moco": "selfsup.tasks.moco:MoCo",
    "swav": "selfsup.tasks.swav:SwAV",
    "dino": "selfsup.tasks.dino:DINO",
    "ibot": "selfsup.tasks.ibot:IBOT",
    "mae": "selfsup.tasks.mae:MaskedAutoencoder",
    "dae": "selfsup.tasks.dae:DenoisingAutoencoder",
    "vae": "selfsup.tasks.vae:VariationalAutoencoder",
    "context_encoder": "selfsup.tasks.context_encoder:ContextEncoder",
    "simmim": "selfsup.tasks.simmim:SimMIM",
    "ijepa": "selfsup.tasks.ijepa:IJEPA",
    "data2vec": "selfsup.tasks.data2vec:Data2Vec",
    "masked_lm": "selfsup.tasks.masked_lm:MaskedLanguageModel",
    "causal_lm": "selfsup.tasks.causal_lm:CausalLanguageModel",
    "replaced_token": "selfsup.tasks.replaced_token:ReplacedTokenDetection",
    "span_corruption": "selfsup.tasks.span_corruption:SpanCorruption",
    "tsdae": "selfsup.tasks.tsdae:TSDAE",
    "simcse": "selfsup.tasks.simcse:SimCSE",
    "clip": "selfsup.tasks.clip:CLIP",
    "siglip": "selfsup.tasks.siglip:SigLIP",
    "captioning": "selfsup.tasks.captioning:Captioning",
}


def find_task(name: str) -> type[Pretext]:
    """The class of a task in the table, or of a user's own, given as `file.py:Class`.

    Raises ValueError when there is no such task, file or class, naming what there is.
    """
    if name in TASKS:
        module, _, attribute = TASKS[name].partition(":")
        found: type[Pretext] = getattr(importlib.import_module(module), attribute)
        return found
    if ".py:" in name:
        return _own_task(name)
    near = difflib.get_close_matches(name, TASKS, n=1)
    hint = f" Did you mean {near[0]!r}?" if near else ""
    raise ValueError(f"there is no task {name!r}.{hint} Tasks: {', '.join(TASKS)}; or your own as mytask.py:MyTask.")


def load_attribute(name: str) -> object:
    """What `file.py:attribute` names, imported from that file. Raises ValueError when the file or the attribute is missing."""
    path, _, attribute = name.rpartition(":")
    file = Path(path).expanduser()
    if not file.is_file():
        raise ValueError(f"there is no file {file}; expected something like mytask.py:MyTask, with a path from where you are.")
    spec = importlib.util.spec_from_file_location(f"selfsup_own_{file.stem}", file)
    if spec is None or spec.loader is None:
        raise ValueError(f"{file} cannot be imported as Python; expected a file that ends in .py.")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    folder = str(file.resolve().parent)
    if folder not in sys.path:
        sys.path.append(folder)  # so that it may import files beside it; last, so that none of them hides a library
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if Path(frame.filename).resolve() == file.resolve()]
        where = f"{file}:{lines[-1]}" if lines else f"{file}"
        raise ValueError(f"{where} failed while it was imported: {type(error).__name__}: {error}") from error
    if not hasattr(module, attribute):
        raise ValueError(f"{file} has no {attribute!r}; it defines {', '.join(n for n in vars(module) if not n.startswith('_'))}.")
    return getattr(module, attribute)


def _own_task(name: str) -> type[Pretext]:
    from selfsup.pretext import Pretext

    found = load_attribute(name)
    if not (isinstance(found, type) and issubclass(found, Pretext)):
        raise ValueError(f"{name} is {type(found).__name__}; expected a class derived from selfsup.Pretext.")
    return found

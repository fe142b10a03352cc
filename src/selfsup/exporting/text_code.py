"""The code, without this library, that makes embeddings of texts with an exported folder: it stands in the folder's README.

Every piece defines `embeddings(texts)`, or of a model `probabilities(texts)`. `@FOLDER@` stands for the folder. Tests run what is made
here.
"""

from __future__ import annotations

import torch

from selfsup.exporting.picture_code import classes_code
from selfsup.exporting.subjects import Documents

JOINS = {"mean": "np.average(vectors, axis=0, weights=seen.sum(axis=1))", "max": "vectors.max(axis=0)", "last": "vectors[-1]"}
"""From the vectors of a text's windows to the vector of the text."""


def joined(subject: Documents) -> str:
    """From what windows gave to what their text gets. Scores are linear in the vector, so means of one are means of the other."""
    return JOINS["mean" if subject.top is not None and subject.pool == "max" else subject.pool]


def returned(subject: Documents) -> list[str]:
    """What the function of one text ends with: what is shared gets length 1 when its windows are together."""
    if subject.shared is None:
        return [f"    return {joined(subject)}"]
    return [f"    vector = {joined(subject)}", "    return vector / np.linalg.norm(vector)"]


def onnx_text_code(subject: Documents) -> str:
    """With tokenizers, numpy and onnxruntime."""
    return "\n".join([
        "import numpy as np", "import onnxruntime", "from tokenizers import Tokenizer", "",
        *tokenizer_code(),
        'session = onnxruntime.InferenceSession("@FOLDER@/model.onnx")', "",
        *windows_code(subject), "", "",
        f"def {'embedding' if subject.top is None else 'scores'}(text):",
        *ids_code(subject),
        '    vectors = session.run(None, {"input_ids": table, "attention_mask": seen})[0]',
        *returned(subject), "", "",
        *together_code(subject),
    ])  # fmt: skip


def torch_text_code(subject: Documents) -> str:
    """With tokenizers, numpy and torch."""
    return "\n".join([
        "import numpy as np", "import torch", "from tokenizers import Tokenizer", "",
        *tokenizer_code(),
        'network = torch.export.load("@FOLDER@/model.pt2").module()', "",
        *windows_code(subject), "", "",
        "@torch.no_grad()",
        f"def {'embedding' if subject.top is None else 'scores'}(text):",
        *ids_code(subject),
        "    vectors = network(torch.from_numpy(table), torch.from_numpy(seen)).numpy()",
        *returned(subject), "", "",
        *together_code(subject),
    ])  # fmt: skip


def transformers_text_code(subject: Documents, kind: str, *, without_pooling: bool) -> str:
    """With transformers and torch. `kind` is the class that loads the network."""
    places = subject.places
    states = f"states[{places[0]}]" if len(places) == 1 else f"(states[{places[0]}] + states[{places[1]}]) / 2"
    pools = {
        "mean": f"vectors = ({states} * seen).sum(dim=1) / seen.sum(dim=1)",
        "max": f'vectors = ({states}).masked_fill(seen == 0, float("-inf")).amax(dim=1)',
        "last": f"vectors = ({states})[torch.arange(len(texts)), seen[:, :, 0].sum(dim=1) - 1]",
    }
    return "\n".join([
        "import torch", f"from transformers import {kind}, AutoTokenizer", "",
        'tokenizer = AutoTokenizer.from_pretrained("@FOLDER@")',
        f'model = {kind}.from_pretrained("@FOLDER@"{", add_pooling_layer=False" if without_pooling else ""}).eval()', "", "",
        "@torch.no_grad()",
        "def embeddings(texts):",
        '    ids = tokenizer(texts, truncation=True, split_special_tokens=True).input_ids  # "[MASK]" in a text is text',
        '    rows = tokenizer.pad({"input_ids": [row or [tokenizer.pad_token_id] for row in ids]}, return_tensors="pt")',
        "    states = model(**rows, output_hidden_states=True).hidden_states",
        "    seen = rows.attention_mask[:, :, None]",
        f"    {pools[subject.pool]}",
        "    return vectors * torch.tensor([[len(row) > 0] for row in ids])  # zeros for a text without tokens",
    ])  # fmt: skip


def sentence_code(subject: Documents) -> str:
    """With sentence-transformers, which stumbles over texts without tokens."""
    return "\n".join([
        "import numpy as np", "from sentence_transformers import SentenceTransformer", "",
        'model = SentenceTransformer("@FOLDER@")', "", "",
        "def embeddings(texts):",
        f"    vectors = np.zeros((len(texts), {subject.width}), dtype=np.float32)  # zeros for a text without tokens",
        "    full = [place for place, ids in enumerate(model.tokenizer(texts).input_ids) if ids]",
        "    if full:",
        "        vectors[full] = model.encode([texts[place] for place in full])",
        "    return vectors",
    ])  # fmt: skip


def tokenizer_code() -> list[str]:
    """The tokeniser. That names of special tokens in a text are no such tokens is not kept in its file."""
    return [
        'tokenizer = Tokenizer.from_file("@FOLDER@/tokenizer.json")',
        'tokenizer.encode_special_tokens = True  # "[MASK]" in a text is text',
    ]


def ids_code(subject: Documents) -> list[str]:
    """From a text to its windows; one without tokens gets zeros, or of a model the scores that zeros have."""
    if subject.top is None:
        empty = f"np.zeros({subject.width}, dtype=np.float32)"
    else:
        with torch.no_grad():
            scores = subject.result(torch.zeros(1, subject.network.width))[0]
        empty = f"np.array({scores.tolist()}, dtype=np.float32)"
    return [
        "    ids = tokenizer.encode(text, add_special_tokens=False).ids",
        "    if not ids:",
        f"        return {empty}",
        "    table, seen = windows(ids)",
    ]


def together_code(subject: Documents) -> list[str]:
    """From one text to several; of a model, from scores to probabilities."""
    if subject.top is None:
        return ["def embeddings(texts):", "    return np.stack([embedding(text) for text in texts])"]
    return [
        *classes_code(subject.top),
        "def probabilities(texts):",
        "    told = np.stack([scores(text) for text in texts])",
        "    raised = np.exp(told - told.max(axis=1, keepdims=True))",
        "    return raised / raised.sum(axis=1, keepdims=True)",
    ]


def windows_code(subject: Documents) -> list[str]:
    """From ids of a text to windows of nearly equal length, none longer than the context."""
    return [
        "", "def windows(ids):  # a table, and which places in it are of the text",
        f"    count = -(-len(ids) // {subject.network.context})",
        "    edges = [number * len(ids) // count for number in range(count + 1)]",
        "    lengths = np.diff(edges)",
        "    seen = (np.arange(lengths.max()) < lengths[:, None]).astype(np.int64)",
        "    table = np.zeros_like(seen)",
        "    table[seen == 1] = ids",
        "    return table, seen",
    ]  # fmt: skip

"""The code, without this library, that makes embeddings of texts with an exported folder: it stands in the folder's README.

Every piece defines `embeddings(texts)`, or of a model `probabilities(texts)`. `@FOLDER@` stands for the folder. Tests run what is made
here.
"""

from __future__ import annotations

from selfsup.exporting.picture_code import classes_code
from selfsup.exporting.subjects import Documents

JOINS = {"mean": "np.average(vectors, axis=0, weights=seen.sum(axis=1))", "max": "vectors.max(axis=0)", "last": "vectors[-1]"}
"""From the vectors of a text's windows to the vector of the text."""


def joined(subject: Documents) -> str:
    """From what windows gave to what their text gets. Scores are linear in the vector, so means of one are means of the other."""
    return JOINS["mean" if subject.top is not None and subject.pool == "max" else subject.pool]


def onnx_text_code(subject: Documents) -> str:
    """With tokenizers, numpy and onnxruntime."""
    return "\n".join([
        "import numpy as np", "import onnxruntime", "from tokenizers import Tokenizer", "",
        'tokenizer = Tokenizer.from_file("@FOLDER@/tokenizer.json")',
        'session = onnxruntime.InferenceSession("@FOLDER@/model.onnx")', "",
        *windows_code(subject), "", "",
        f"def {'embedding' if subject.top is None else 'scores'}(text):",
        "    ids, seen = windows(text)",
        '    vectors = session.run(None, {"input_ids": ids, "attention_mask": seen})[0]',
        f"    return {joined(subject)}", "", "",
        *together_code(subject),
    ])  # fmt: skip


def torch_text_code(subject: Documents) -> str:
    """With tokenizers, numpy and torch."""
    return "\n".join([
        "import numpy as np", "import torch", "from tokenizers import Tokenizer", "",
        'tokenizer = Tokenizer.from_file("@FOLDER@/tokenizer.json")',
        'network = torch.export.load("@FOLDER@/model.pt2").module()', "",
        *windows_code(subject), "", "",
        "@torch.no_grad()",
        f"def {'embedding' if subject.top is None else 'scores'}(text):",
        "    ids, seen = windows(text)",
        "    vectors = network(torch.from_numpy(ids), torch.from_numpy(seen)).numpy()",
        f"    return {joined(subject)}", "", "",
        *together_code(subject),
    ])  # fmt: skip


def transformers_text_code(subject: Documents, kind: str, *, without_pooling: bool) -> str:
    """With transformers and torch. `kind` is the class that loads the network."""
    places = subject.places
    states = f"states[{places[0]}]" if len(places) == 1 else f"(states[{places[0]}] + states[{places[1]}]) / 2"
    pools = {
        "mean": f"return ({states} * seen).sum(dim=1) / seen.sum(dim=1)",
        "max": f'return ({states}).masked_fill(seen == 0, float("-inf")).amax(dim=1)',
        "last": f"return ({states})[torch.arange(len(texts)), seen[:, :, 0].sum(dim=1) - 1]",
    }
    return "\n".join([
        "import torch", f"from transformers import {kind}, AutoTokenizer", "",
        'tokenizer = AutoTokenizer.from_pretrained("@FOLDER@")',
        f'model = {kind}.from_pretrained("@FOLDER@"{", add_pooling_layer=False" if without_pooling else ""}).eval()', "", "",
        "@torch.no_grad()",
        "def embeddings(texts):",
        '    rows = tokenizer(texts, padding=True, truncation=True, return_tensors="pt")',
        "    states = model(**rows, output_hidden_states=True).hidden_states",
        "    seen = rows.attention_mask[:, :, None]",
        f"    {pools[subject.pool]}",
    ])  # fmt: skip


def sentence_code() -> str:
    """With sentence-transformers."""
    return "\n".join([
        "from sentence_transformers import SentenceTransformer", "",
        'model = SentenceTransformer("@FOLDER@")', "", "",
        "def embeddings(texts):",
        "    return model.encode(texts)",
    ])  # fmt: skip


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
    """From a text to windows of nearly equal length, none longer than the context."""
    return [
        "", "def windows(text):  # ids, and which of them are of the text",
        "    ids = tokenizer.encode(text, add_special_tokens=False).ids",
        f"    count = -(-len(ids) // {subject.network.context})",
        "    edges = [number * len(ids) // count for number in range(count + 1)]",
        "    lengths = np.diff(edges)",
        "    seen = (np.arange(lengths.max()) < lengths[:, None]).astype(np.int64)",
        "    table = np.zeros_like(seen)",
        "    table[seen == 1] = ids",
        "    return table, seen",
    ]  # fmt: skip

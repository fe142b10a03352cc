"""Text backbones: names and sizes, one interface, attention inside documents, and folders that transformers writes and reads."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from selfsup.backbones import TextBackbone, Vocabulary, build_text, load_text_backbone, save_text_backbone, text_backbones, use_attention
from selfsup.backbones.text_names import SIZES, body_parameters
from selfsup.contract.randomness import DrawWatch
from small_text import backbone, fresh, rows, vocabulary

NAMES = ("bert-tiny", "modernbert-tiny", "gpt2-tiny", "llama-tiny")
OTHERS = ("roberta-tiny", "distilbert-tiny", "electra-tiny", "mistral-tiny", "opt-tiny", "t5-tiny", "qwen3-tiny")


@pytest.fixture(params=NAMES)
def net(request: pytest.FixtureRequest) -> TextBackbone:
    return backbone(request.param).eval()


def moved(net: TextBackbone) -> TextBackbone:
    """Every parameter a little off its start, so that norms and biases count."""
    with torch.no_grad():
        for number, parameter in enumerate(net.parameters()):
            parameter.add_(0.02 * torch.randn(parameter.shape, generator=torch.Generator().manual_seed(number)))
    return net


# Names ----------------------------------------------------------------------------------------------------------------------------


def test_the_table_of_sizes() -> None:
    assert len(text_backbones()) == 4 * 5
    for size, (layers, width) in SIZES.items():
        if size not in ("tiny", "mini"):
            continue
        for family in ("bert", "modernbert", "gpt2", "llama"):
            net = backbone(f"{family}-{size}")
            assert (net.model.config.num_hidden_layers, net.width, net.model.config.num_attention_heads) == (layers, width, width // 64)
            assert len(net.layers) == layers


def test_miniatures_have_the_weights_of_the_paper() -> None:
    """Turc et al. 2019, table 1: BERT-tiny has 4.4 million with 30,522 words, two token types, 512 positions and its pooler."""
    net = backbone("bert-tiny", size=30522, context=512)
    count = sum(parameter.numel() for parameter in net.parameters()) + 128 * 128 + 128
    assert count == pytest.approx(4.4e6, rel=0.01)


@pytest.mark.parametrize("family", ["bert", "modernbert", "gpt2", "llama"])
@pytest.mark.parametrize("size", ["tiny", "mini"])
def test_sizes_are_told_as_they_are(family: str, size: str) -> None:
    """All weights but those of the tables of words, positions and kinds."""
    layers = [
        p.numel()
        for name, p in backbone(f"{family}-{size}").model.named_parameters()
        if "embed" not in name and "wte" not in name and "wpe" not in name
    ]
    assert sum(layers) == pytest.approx(body_parameters(size), rel=0.1)


def test_gated_layers_are_about_as_large_as_others() -> None:
    def trunk(name: str) -> int:
        return sum(
            p.numel() for n, p in backbone(name).model.named_parameters() if "mlp" in n or "intermediate" in n or "output.dense" in n
        )

    plain = 2 * 8 * 256**2
    assert trunk("llama-mini") == pytest.approx(4 * 8 * 256**2, rel=0.05)
    assert plain < trunk("bert-mini")


@pytest.mark.parametrize("name", OTHERS)
def test_any_model_type_of_transformers(name: str) -> None:
    net = backbone(name).eval()
    assert net.width == 128
    assert net.causal == (name.split("-")[0] in ("mistral", "opt", "qwen3"))
    ids = rows()["tokens"]
    assert net.tokens(ids).shape == (6, 32, 128)
    assert set(net.features(ids)) == set(net.layers)


@pytest.mark.parametrize(("name", "words"), [("bert-mimi", "bert-mini"), ("bret-mini", "bert-mini"), ("gpt2", "FAMILY|family")])
def test_unknown_names_say_what_there_is(name: str, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        backbone(name)


def test_a_configuration_on_disk(tmp_path: Path) -> None:
    from transformers import BertConfig

    BertConfig(
        hidden_size=96, num_hidden_layers=3, num_attention_heads=3, intermediate_size=100, max_position_embeddings=40
    ).save_pretrained(tmp_path)
    for name in (str(tmp_path), str(tmp_path / "config.json")):
        net = build_text(name, vocabulary=vocabulary(), context=40)
        assert (net.width, len(net.layers), net.embedding.num_embeddings, net.context) == (96, 3, 60, 40)
    with pytest.raises(ValueError, match="40 positions"):
        build_text(str(tmp_path), vocabulary=vocabulary(), context=64)
    with pytest.raises(ValueError, match=r"no file .*other\.json"):
        build_text(str(tmp_path / "other.json"), vocabulary=vocabulary())
    (tmp_path / "config.json").write_text("{")
    with pytest.raises(ValueError, match="cannot be read"):
        build_text(str(tmp_path), vocabulary=vocabulary())


def test_arguments_overrule_the_table() -> None:
    net = backbone("gpt2-tiny", num_hidden_layers=6, hidden_size=384, num_attention_heads=6)
    assert (net.width, len(net.layers)) == (384, 6)


def test_initialisation_follows_the_seed() -> None:
    one, same, other = (backbone(seed=seed).embedding.weight for seed in (1, 1, 2))
    assert torch.equal(one, same)
    assert not torch.equal(one, other)


def test_residual_projections_start_smaller() -> None:
    """By the root of twice the layers: Radford et al. 2019, section 2.3."""
    net = backbone("llama-mini")
    weights = {name: float(parameter.detach().std()) for name, parameter in net.model.named_parameters()}
    assert weights["layers.0.self_attn.o_proj.weight"] == pytest.approx(0.02 / 8**0.5, rel=0.05)
    assert weights["layers.0.self_attn.q_proj.weight"] == pytest.approx(0.02, rel=0.05)


# The interface --------------------------------------------------------------------------------------------------------------------


def test_shapes_and_attributes(net: TextBackbone) -> None:
    batch = rows()
    assert net.tokens(batch["tokens"]).shape == (6, 32, 128)
    assert net.embed(batch["tokens"]).shape == (6, 128)
    features = net.features(batch["tokens"])
    assert list(features) == list(net.layers) == ["layer1", "layer2"]
    torch.testing.assert_close(features["layer2"], net.tokens(batch["tokens"]))
    assert not torch.allclose(features["layer1"], features["layer2"])
    assert net.causal == net.name.startswith(("gpt2", "llama"))
    assert net.context == 32
    assert net.settings.name == net.name


def test_forward_draws_nothing_even_in_training(net: TextBackbone) -> None:
    told: list[str] = []
    ids = rows()["tokens"]
    with DrawWatch(None, lambda sign, words: told.append(words)):
        one = net.train().tokens(ids)
    assert told == []
    assert torch.equal(one, net.tokens(ids))


def test_all_that_is_trained_gets_a_gradient(net: TextBackbone) -> None:
    batch = rows()
    net.tokens(batch["tokens"]).square().mean().backward()  # type: ignore[no-untyped-call]
    assert [name for name, parameter in net.named_parameters() if parameter.grad is None] == []


def test_embeddings_are_means_over_what_is_attended(net: TextBackbone) -> None:
    """A text with padding behind it has the embedding that it has alone."""
    ids = rows()["tokens"]
    attended = torch.arange(32) < torch.tensor([32, 20, 7, 1, 13, 0])[:, None]
    together = net.embed(ids, attended)
    for row, length in enumerate([32, 20, 7, 1, 13]):
        alone = net.tokens(ids[row : row + 1, :length]).mean(dim=1)
        torch.testing.assert_close(together[row : row + 1], alone, rtol=1e-4, atol=1e-5)
    assert torch.equal(together[5], torch.zeros(128))


def test_positions_can_be_asked_for(net: TextBackbone) -> None:
    """The same states and gradients as all positions computed and some of them taken."""
    batch = rows()
    at = torch.rand(6, 32, generator=torch.Generator().manual_seed(3)).argsort(1)[:, :5]
    for document in (None, batch["document"]):
        some = net.tokens(batch["tokens"], document, at=at)
        every = net.tokens(batch["tokens"], document).gather(1, at[:, :, None].expand(-1, -1, 128))
        torch.testing.assert_close(some, every, rtol=1e-5, atol=1e-6)
        asked = list(net.parameters())
        upstream = torch.randn(some.shape, generator=torch.Generator().manual_seed(4))
        for one, other in zip(torch.autograd.grad(some, asked, upstream), torch.autograd.grad(every, asked, upstream), strict=True):
            torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-5)


def test_rows_longer_than_the_context_are_refused(net: TextBackbone) -> None:
    with pytest.raises(ValueError, match=r"33 tokens.* at most 32"):
        net.tokens(rows(length=33)["tokens"])


# Documents ------------------------------------------------------------------------------------------------------------------------


def one_by_one(net: TextBackbone, ids: Tensor, document: Tensor) -> Tensor:
    """Every document of every row computed alone."""
    made = torch.zeros(*ids.shape, net.width)
    for row in range(len(ids)):
        for number in set(document[row].tolist()):
            place = (document[row] == number).nonzero().squeeze(1)
            made[row, place] = net.tokens(ids[row : row + 1, place])[0]
    return made


@pytest.mark.parametrize("attention", ["plain", "fused"])
def test_attention_inside_documents_is_documents_one_by_one(net: TextBackbone, attention: Any) -> None:
    use_attention(moved(net), attention)
    batch = rows()
    with torch.no_grad():
        inside = net.tokens(batch["tokens"], batch["document"])
        torch.testing.assert_close(inside, one_by_one(net, batch["tokens"], batch["document"]), rtol=1e-4, atol=1e-5)
        assert not torch.allclose(inside, net.tokens(batch["tokens"]), atol=1e-3)


@pytest.mark.parametrize("name", ["roberta-tiny", "electra-tiny", "mistral-tiny", "t5-tiny"])
def test_other_families_keep_to_documents_or_say_no(name: str) -> None:
    net, batch = moved(backbone(name)).eval(), rows()
    with torch.no_grad():
        if net.keeps_documents:
            inside = net.tokens(batch["tokens"], batch["document"])
            torch.testing.assert_close(inside, one_by_one(net, batch["tokens"], batch["document"]), rtol=1e-4, atol=1e-5)
        else:
            with pytest.raises(ValueError, match="inside documents"):
                net.tokens(batch["tokens"], batch["document"])


def test_a_window_is_kept_beside_documents() -> None:
    """ModernBERT's local layers see so many tokens either way and no more, in plain attention as in that of transformers."""
    from transformers import AutoModel

    net = moved(backbone("modernbert-tiny", context=64, local_attention=8, num_hidden_layers=3)).eval()
    ids = rows(length=64)["tokens"]
    theirs = fresh(AutoModel, net.model.config, "eager").eval()
    theirs.load_state_dict(net.model.state_dict())
    torch.testing.assert_close(net.tokens(ids), theirs(ids).last_hidden_state, rtol=1e-4, atol=1e-5)
    batch = rows(length=64)
    torch.testing.assert_close(net.tokens(ids, batch["document"]), one_by_one(net, ids, batch["document"]), rtol=1e-4, atol=1e-5)


# Beside transformers --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("attention", ["plain", "fused"])
@pytest.mark.parametrize("name", [*NAMES, "roberta-tiny", "electra-tiny", "mistral-tiny", "t5-tiny"])
def test_a_saved_folder_is_what_automodel_loads(name: str, attention: Any, tmp_path: Path) -> None:
    from transformers import AutoModel, T5EncoderModel

    net = moved(backbone(name)).eval()
    use_attention(net, attention)
    save_text_backbone(net, tmp_path)
    theirs = (T5EncoderModel if name.startswith("t5") else AutoModel).from_pretrained(tmp_path).eval()
    ids = rows()["tokens"]
    with torch.no_grad():
        given = theirs(ids, output_hidden_states=True)
        assert (net.tokens(ids) - given.last_hidden_state).abs().max() < 1e-5
        for number, states in enumerate(net.features(ids).values()):
            assert (states - given.hidden_states[number + 1]).abs().max() < 1e-5
    assert theirs.config.vocab_size == 60


def test_gradients_are_those_of_transformers(net: TextBackbone) -> None:
    from transformers import AutoModel

    moved(net)
    theirs = fresh(AutoModel, net.model.config, "eager")
    theirs.load_state_dict(net.model.state_dict(), strict=False)
    ids = rows()["tokens"]
    upstream = torch.randn(6, 32, 128, generator=torch.Generator().manual_seed(1))
    torch.autograd.backward(net.tokens(ids), upstream)
    theirs(ids).last_hidden_state.backward(upstream)
    expected = dict(theirs.named_parameters())
    for name, parameter in net.model.named_parameters():
        assert parameter.grad is not None
        scale = expected[name].grad.abs().max()
        assert (parameter.grad - expected[name].grad).abs().max() <= 1e-5 * scale + 1e-6, name


def test_a_folder_of_ours_loads_again(net: TextBackbone, tmp_path: Path) -> None:
    moved(net)
    use_attention(net, "fused")
    save_text_backbone(net, tmp_path)
    state = torch.get_rng_state()
    again, remarks = load_text_backbone(tmp_path, vocabulary())
    assert torch.equal(state, torch.get_rng_state())
    assert remarks == []
    assert (again.name, again.context, again.settings.attention) == (net.name, 32, "fused")
    ids = rows()["tokens"]
    torch.testing.assert_close(again.eval().tokens(ids), net.tokens(ids))


@pytest.mark.parametrize(
    "kind", ["BertForMaskedLM", "BertModel", "GPT2LMHeadModel", "RobertaModel", "LlamaForCausalLM", "T5ForConditionalGeneration"]
)
def test_going_on_from_a_folder_of_transformers(kind: str, tmp_path: Path) -> None:
    """With its own vocabulary and positions; a head is left out, and its base gives the same states."""
    import transformers

    sizes = {"hidden_size": 48, "num_hidden_layers": 2, "num_attention_heads": 4, "vocab_size": 70, "max_position_embeddings": 40}
    known = {
        "Bert": {**sizes, "intermediate_size": 64}, "Roberta": {**sizes, "intermediate_size": 64},
        "LlamaFor": {**sizes, "intermediate_size": 64},
        "GPT2": {"n_embd": 48, "n_layer": 2, "n_head": 4, "vocab_size": 70, "n_positions": 40},
        "T5For": {"d_model": 48, "num_layers": 2, "num_heads": 4, "d_kv": 12, "d_ff": 64, "vocab_size": 70},
    }  # fmt: skip
    family = next(name for name in known if kind.startswith(name))
    config = getattr(transformers, f"{family.removesuffix('For')}Config")(**known[family])
    torch.manual_seed(1)
    theirs = getattr(transformers, kind)(config).eval()
    theirs.save_pretrained(tmp_path)
    net, remarks = load_text_backbone(tmp_path, vocabulary(64))
    assert remarks == []
    assert net.vocabulary.size == 64
    assert net.embedding.num_embeddings == 70
    assert net.context == {"Roberta": 38, "T5For": 512}.get(family, 40)
    ids = rows(size=64)["tokens"]
    base = theirs.encoder if family == "T5For" else getattr(theirs, theirs.base_model_prefix, theirs)
    with torch.no_grad():
        torch.testing.assert_close(net.eval().tokens(ids), base(ids).last_hidden_state, rtol=1e-4, atol=1e-5)


def test_dropout_of_the_original_stays_in_its_configuration(tmp_path: Path) -> None:
    net = backbone()
    save_text_backbone(net, tmp_path)
    assert json.loads((tmp_path / "config.json").read_text())["hidden_dropout_prob"] == 0.1
    assert net.model.config.hidden_dropout_prob == 0.0


def test_pickles_are_not_read(tmp_path: Path) -> None:
    net = backbone()
    save_text_backbone(net, tmp_path)
    (tmp_path / "model.safetensors").unlink()
    torch.save(net.model.state_dict(), tmp_path / "pytorch_model.bin")
    with pytest.raises(ValueError, match=r"pytorch_model\.bin is a pickle"):
        load_text_backbone(tmp_path, vocabulary())


def test_code_of_a_folder_is_not_run(tmp_path: Path) -> None:
    save_text_backbone(backbone(), tmp_path)
    content = json.loads((tmp_path / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps({**content, "auto_map": {"AutoModel": "evil.Model", "AutoConfig": "evil.Config"}}))
    (tmp_path / "evil.py").write_text("raise SystemExit('run')")
    load_text_backbone(tmp_path, vocabulary())


def test_folders_that_do_not_fit_say_so(tmp_path: Path) -> None:
    save_text_backbone(backbone(), tmp_path)
    with pytest.raises(ValueError, match=r"80 words.*60"):
        load_text_backbone(tmp_path, vocabulary(80))
    content = json.loads((tmp_path / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps({**content, "vocab_size": 90}))
    with pytest.raises(ValueError, match=r"do not fit its config.*\(60, 128\).*\(90, 128\)"):
        load_text_backbone(tmp_path, vocabulary(80))
    with pytest.raises(ValueError, match="no folder"):
        load_text_backbone(tmp_path / "nowhere", vocabulary())


# The vocabulary -------------------------------------------------------------------------------------------------------------------


def test_a_vocabulary_knows_its_special_and_its_ordinary_words() -> None:
    words = vocabulary()
    assert words.ordinary.tolist() == list(range(5, 60))
    assert words.is_special.nonzero().squeeze(1).tolist() == [0, 1, 2, 3, 4]
    assert words.on(torch.device("cpu")) is words


def test_a_vocabulary_comes_from_a_tokeniser() -> None:
    class Words:
        size, pad, mask, cls, sep, bos, eos, unk = 6, 0, None, 2, 3, None, None, 1
        is_start_of_word, bytes_of = torch.ones(6, dtype=torch.bool), torch.tensor([0, 0, 0, 0, 1, 2])

    words = Vocabulary.of(Words())
    assert (words.special, words.mask, words.bos, words.eos, words.pad) == ((0, 1, 2, 3), None, 2, 3, 0)


def test_facts_have_to_fit_the_size() -> None:
    with pytest.raises(ValueError, match="expected facts on each id"):
        Vocabulary(size=6, special=(), is_start_of_word=torch.ones(5, dtype=torch.bool), bytes_of=torch.ones(5, dtype=torch.int64))

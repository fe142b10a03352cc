"""Text tasks: the contract, losses against transformers' own or worked by hand, and batches in parts."""

from __future__ import annotations

import copy
import math
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from selfsup.backbones import TextBackbone, Vocabulary
from selfsup.contract.findings import TEXT_PLACES, Findings
from selfsup.contract.places import check_module
from selfsup.options import task_options
from selfsup.pretext import Pretext, TextPretext, Views
from selfsup.tasks.causal_lm import CausalLanguageModel
from selfsup.tasks.masked_lm import MaskedLanguageModel
from selfsup.tasks.replaced_token import ReplacedTokenDetection
from selfsup.tasks.simcse import SimCSE, recognition
from selfsup.tasks.span_corruption import SpanCorruption
from selfsup.tasks.tsdae import TSDAE
from selfsup.train.distributed import World
from selfsup.train.precision import Kernels
from selfsup.train.step import Step, total
from small_text import CLS, MASK, backbone, fresh, rng, rows, vocabulary

CASES: dict[str, tuple[type[TextPretext], str, dict[str, Any]]] = {
    "masked_lm": (MaskedLanguageModel, "bert-tiny", {}),
    "masked_lm, words and spans in documents": (
        MaskedLanguageModel, "modernbert-tiny", {"whole_words": True, "spans": True, "within_documents": True},
    ),
    "causal_lm": (CausalLanguageModel, "gpt2-tiny", {}),
    "causal_lm in documents": (CausalLanguageModel, "llama-tiny", {"within_documents": True}),
    "replaced_token": (ReplacedTokenDetection, "bert-tiny", {}),
    "replaced_token in documents": (ReplacedTokenDetection, "electra-tiny", {"within_documents": True, "generator": 0.5}),
    "tsdae": (TSDAE, "bert-tiny", {}),
    "span_corruption": (SpanCorruption, "bert-tiny", {}),
    "span_corruption with t5": (SpanCorruption, "t5-tiny", {"depth": 1}),
}  # fmt: skip


def make(kind: type[TextPretext], name: str, **options: Any) -> Any:
    net = backbone(name, **options.pop("arguments", {}))
    return kind(net, **task_options(kind, options))


@pytest.fixture(params=list(CASES))
def case(request: pytest.FixtureRequest) -> tuple[type[TextPretext], str, dict[str, Any]]:
    return CASES[request.param]


def test_a_text_task_keeps_the_contract(case: tuple[type[TextPretext], str, dict[str, Any]]) -> None:
    """The same views for the same generator, nothing drawn in forward, rows apart, gradients everywhere, state, and a falling loss."""
    kind, name, options = case
    found = Findings(())
    check_module(make(kind, name, **options), rows(count=8), found, fresh=lambda: make(kind, name, **options))
    assert [str(finding) for finding in found.found] == []
    assert found.reached == set(TEXT_PLACES)


def test_views_differ_with_the_generator(case: tuple[type[TextPretext], str, dict[str, Any]]) -> None:
    kind, name, options = case
    task = make(kind, name, **options)
    one, other = task.views(rows(), rng(1)), task.views(rows(), rng(2))
    assert kind is CausalLanguageModel or any(one[key].shape != other[key].shape or not torch.equal(one[key], other[key]) for key in one)


def gradients(task: Pretext, micro: list[Views]) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    task.zero_grad()
    step = Step(task, task, Kernels(), World(), torch.device("cpu"))
    terms, _ = step.gradients(micro)
    return {name: parameter.grad for name, parameter in task.named_parameters() if parameter.grad is not None}, terms


def test_a_batch_of_64_is_four_of_16(case: tuple[type[TextPretext], str, dict[str, Any]]) -> None:
    """Divided by the number of predicted tokens of the whole batch, though micro-batches hold different numbers of them."""
    kind, name, options = case
    task = make(kind, name, **options).double()
    views = task.views(rows(count=64, seed=2), rng(3))
    views = {key: view.double() if view.is_floating_point() else view for key, view in views.items()}
    whole, terms = gradients(task, [views])
    whole = {key: gradient.clone() for key, gradient in whole.items()}
    parts, summed = gradients(task, [{key: view[start : start + 16] for key, view in views.items()} for start in range(0, 64, 16)])
    assert set(whole) == set(parts)
    for key, gradient in whole.items():
        assert (gradient - parts[key]).abs().max() <= 1e-9 * max(1.0, float(gradient.abs().max())), key
    for key, term in terms.items():
        assert float(term) == pytest.approx(float(summed[key]), rel=1e-9)


def test_micro_batches_that_hold_different_numbers_weigh_by_them() -> None:
    task = make(MaskedLanguageModel, "bert-tiny", whole_words=True).double()
    ids = rows(count=8)["tokens"]
    ids[:4, 2:] = MASK  # two words a row at most
    views = task.views({"tokens": ids}, rng())
    held = [int(task.count_of({key: view[start : start + 4] for key, view in views.items()})) for start in (0, 4)]
    assert held[0] < held[1]
    whole, _ = gradients(task, [views])
    whole = {key: gradient.clone() for key, gradient in whole.items()}
    parts, _ = gradients(task, [{key: view[start : start + 4] for key, view in views.items()} for start in (0, 4)])
    assert all(torch.allclose(gradient, parts[key], rtol=1e-9, atol=1e-12) for key, gradient in whole.items())


# Masked language model ------------------------------------------------------------------------------------------------------------


def copied(theirs: Any, ours: dict[str, Tensor]) -> None:
    missing, unexpected = theirs.load_state_dict(ours, strict=False)
    theirs.tie_weights()
    assert not unexpected
    assert all("pooler" in name or "decoder" in name or "lm_head" in name for name in missing), missing


@pytest.mark.parametrize("attention", ["eager", "sdpa"])
def test_masked_lm_is_berts_loss(attention: str) -> None:
    """`BertForMaskedLM` with the same weights, inputs and labels: loss to 1e-4 and gradients."""
    from transformers import BertForMaskedLM

    task = make(MaskedLanguageModel, "bert-tiny")
    with torch.no_grad():
        for parameter in task.parameters():
            parameter.add_(0.02 * torch.randn(parameter.shape, generator=rng(7)))
    theirs = fresh(BertForMaskedLM, task.backbone.model.config, attention)
    head = "cls.predictions"
    copied(theirs, {
        **{f"bert.{name}": value for name, value in task.backbone.model.state_dict().items()},
        f"{head}.transform.dense.weight": task.head.dense.weight, f"{head}.transform.dense.bias": task.head.dense.bias,
        f"{head}.transform.LayerNorm.weight": task.head.norm.weight, f"{head}.transform.LayerNorm.bias": task.head.norm.bias,
        f"{head}.bias": task.head.bias,
    })  # fmt: skip
    views = task.views(rows(), rng())
    labels = torch.full_like(views["seen"], -100).scatter(1, views["positions"], views["target"])
    expected = theirs(input_ids=views["seen"], labels=labels).loss
    loss = task.loss(task(views))["words"]
    assert float(loss.detach()) == pytest.approx(float(expected.detach()), abs=1e-4)
    loss.backward()
    expected.backward()
    own = dict(task.backbone.model.named_parameters())
    layer = theirs.bert.encoder.layer[0].attention.self
    for name, other in (
        ("embeddings.word_embeddings", theirs.bert.embeddings.word_embeddings),
        ("encoder.layer.0.attention.self.key", layer.key),
    ):
        torch.testing.assert_close(own[f"{name}.weight"].grad, other.weight.grad, rtol=1e-3, atol=1e-5)


def test_logits_are_what_the_loss_is_made_of() -> None:
    task = make(MaskedLanguageModel, "bert-tiny")
    views = task.views(rows(), rng())
    logits = task.logits(views["seen"], views["positions"])
    assert logits.shape == (6, 5, 60)
    expected = F.cross_entropy(logits.flatten(0, 1), views["target"].flatten())
    assert float(task.loss(task(views))["words"].detach()) == pytest.approx(float(expected.detach()), abs=1e-5)


def test_masked_lm_asks_for_an_encoder_and_a_mask() -> None:
    with pytest.raises(ValueError, match="is a decoder"):
        make(MaskedLanguageModel, "gpt2-tiny")
    net = backbone()
    words = net.vocabulary
    net.vocabulary = Vocabulary(words.size, words.special, words.is_start_of_word, words.bytes_of, mask=None)
    with pytest.raises(ValueError, match="no mask token"):
        MaskedLanguageModel(net)


def test_masked_lm_learns_a_pattern() -> None:
    """Rows that count up: what is hidden follows from its neighbours, and the loss falls far below that of guessing."""
    task = make(MaskedLanguageModel, "bert-tiny")
    optimizer = torch.optim.AdamW(task.parameters(), lr=2e-3)
    loss = torch.tensor(math.inf)
    for step in range(150):
        start = torch.randint(55, (16, 1), generator=rng(step))
        ids = 5 + (start + torch.arange(32)) % 55
        loss = task.loss(task(task.views({"tokens": ids}, rng(step))))["words"]
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert float(loss.detach()) < 0.7 * math.log(55)


# Causal language model ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["gpt2-tiny", "llama-tiny"])
def test_causal_lm_is_the_loss_of_transformers(name: str) -> None:
    from transformers import GPT2LMHeadModel, LlamaForCausalLM

    task = make(CausalLanguageModel, name)
    configuration = copy.deepcopy(task.backbone.model.config)
    configuration.tie_word_embeddings = True
    theirs = fresh(GPT2LMHeadModel if name.startswith("gpt2") else LlamaForCausalLM, configuration, "eager")
    copied(theirs, {f"{theirs.base_model_prefix}.{name}": value for name, value in task.backbone.model.state_dict().items()})
    batch = rows()
    views = task.views(batch, rng())
    output = task(views)
    loss, expected = task.loss(output)["words"], theirs(input_ids=batch["tokens"], labels=batch["tokens"]).loss
    assert float(loss.detach()) == pytest.approx(float(expected.detach()), abs=1e-4)
    torch.testing.assert_close(task.logits(batch["tokens"]), theirs(batch["tokens"]).logits, rtol=1e-4, atol=1e-4)
    loss.backward()
    expected.backward()
    own, other = task.backbone.embedding.weight.grad, theirs.get_input_embeddings().weight.grad
    torch.testing.assert_close(own, other, rtol=1e-3, atol=1e-6)


def test_inside_documents_every_word_is_predicted_from_its_own() -> None:
    """As with each document in a row of its own, and no word across a border."""
    task = make(CausalLanguageModel, "gpt2-tiny", within_documents=True)
    batch = rows()
    nats, count = torch.zeros(()), 0
    for row in range(6):
        for number in set(batch["document"][row].tolist()):
            ids = batch["tokens"][row : row + 1, batch["document"][row] == number]
            if ids.shape[1] > 1:
                nats += F.cross_entropy(task.logits(ids)[0, :-1], ids[0, 1:], reduction="sum")
                count += ids.shape[1] - 1
    views = task.views(batch, rng())
    assert int(task.count_of(views)) == count
    assert float(task.loss(task(views))["words"].detach()) == pytest.approx(float((nats / count).detach()), abs=1e-4)


def test_causal_lm_asks_for_a_decoder() -> None:
    with pytest.raises(ValueError, match="is an encoder"):
        make(CausalLanguageModel, "bert-tiny")


# Replaced-token detection ---------------------------------------------------------------------------------------------------------


def test_the_discriminators_loss_is_that_of_electra() -> None:
    from transformers import ElectraForPreTraining

    task = make(ReplacedTokenDetection, "electra-tiny")
    views = task.views(rows(), rng())
    output = task(views)
    filled = filled_by(task, views)
    theirs = fresh(ElectraForPreTraining, task.backbone.model.config, "eager")
    copied(theirs, {
        **{f"electra.{name}": value for name, value in task.backbone.model.state_dict().items()},
        **{f"discriminator_predictions.dense.{name}": value for name, value in task.dense.state_dict().items()},
        **{f"discriminator_predictions.dense_prediction.{name}": value for name, value in task.detect.state_dict().items()},
    })  # fmt: skip
    expected = theirs(input_ids=filled, labels=(filled != views["tokens"]).long()).loss
    assert float(task.loss(output)["discriminator"].detach()) == pytest.approx(50 * float(expected.detach()), abs=1e-3)


def filled_by(task: Any, views: Views) -> Tensor:
    """What the generator made of the rows, by another way than the task's: the cumulative distribution, searched word by word."""
    logits = generator_logits(task, views)
    words = []
    for chances, uniform in zip(logits.double().softmax(-1).flatten(0, 1), views["uniform"].flatten(), strict=True):
        words.append(min(int((chances.cumsum(0) <= float(uniform)).sum()), len(chances) - 1))
    return views["tokens"].scatter(1, views["positions"], torch.tensor(words).view(views["positions"].shape))


def generator_logits(task: Any, views: Views) -> Tensor:
    read = task.reader(task.backbone.embedding(views["seen"]))
    states = task.generator_head(task.generator.run({"inputs_embeds": read}).last_hidden_state)
    places = views["positions"][:, :, None].expand(-1, -1, states.shape[-1])
    return F.linear(states.gather(1, places), task.backbone.embedding.weight, task.generator_head.bias)


@torch.no_grad()
def test_what_is_replaced_is_what_the_generator_drew() -> None:
    task = make(ReplacedTokenDetection, "bert-tiny")
    views = task.views(rows(), rng())
    assert bool((views["seen"].gather(1, views["positions"]) == MASK).all())
    output, filled = task(views), filled_by(task, views)
    assert torch.equal(output["replaced"], filled != views["tokens"])
    expected = F.cross_entropy(generator_logits(task, views).flatten(0, 1), views["tokens"].gather(1, views["positions"]).flatten())
    assert float(task.loss(output)["generator"].detach()) == pytest.approx(float(expected.detach()), abs=1e-4)


def test_both_losses_by_hand() -> None:
    """Log-odds 0 give ln 2 a token; a generator sure of half of its two words and clueless of the other, of four, gives ln 4 / 2."""
    task = make(ReplacedTokenDetection, "bert-tiny", weight=10.0)
    terms = task.loss({
        "nats": torch.tensor([[0.0, math.log(4)]]), "counted": torch.tensor([[True, True]]),
        "logits": torch.zeros(1, 4), "replaced": torch.tensor([[True, False, False, False]]),
    })  # fmt: skip
    assert float(terms["generator"]) == pytest.approx(math.log(4) / 2)
    assert float(terms["discriminator"]) == pytest.approx(10 * math.log(2))


def test_the_generator_is_smaller_and_shares_the_table() -> None:
    task = make(ReplacedTokenDetection, "bert-mini", generator=0.25)
    assert (task.generator.width, task.generator.model.config.intermediate_size) == (64, 256)
    assert sum(parameter.numel() == task.backbone.embedding.weight.numel() for parameter in task.parameters()) == 1


def test_the_discriminator_does_not_teach_the_generator() -> None:
    task = make(ReplacedTokenDetection, "bert-tiny")
    output = task(task.views(rows(), rng()))
    task.loss(output)["discriminator"].backward()
    assert all(parameter.grad is None for parameter in task.generator.parameters())


# SimCSE ---------------------------------------------------------------------------------------------------------------------------


def test_recognition_by_hand() -> None:
    """Two texts at right angles whose views agree, a third place that is none: each finds its own at 1 beside one at 0."""
    a = torch.tensor([[[1.0, 0.0], [0.0, 2.0]], [[5.0, 5.0], [7.0, 0.0]]])
    counted = torch.tensor([[True, True], [False, False]])
    expected = -math.log(math.exp(1 / 0.5) / (math.exp(1 / 0.5) + 1))
    assert float(recognition(a, a, counted, 0.5)) == pytest.approx(expected, abs=1e-6)


def test_recognition_written_as_the_paper_does() -> None:
    a, b = torch.randn(3, 2, 8, generator=rng(1)), torch.randn(3, 2, 8, generator=rng(2))
    counted = torch.tensor([[True, False], [True, True], [False, True]])
    one, two = a[counted], b[counted]

    def alike(i: int, j: int) -> float:
        return math.exp(float(F.cosine_similarity(one[i], two[j], dim=0)) / 0.05)

    expected = sum(-math.log(alike(i, i) / sum(alike(i, j) for j in range(4))) for i in range(4)) / 4
    assert float(recognition(a, b, counted, 0.05)) == pytest.approx(expected, rel=1e-4)


def test_dropout_is_the_only_difference_of_the_two_views() -> None:
    task = make(SimCSE, "bert-tiny", positives="dropout")
    views = task.views(rows(count=8, length=32), rng())
    torch.manual_seed(5)
    output = task(views)
    assert not torch.allclose(output["a"], output["b"], atol=1e-3)
    torch.manual_seed(5)
    again = task(views)
    assert torch.equal(output["a"], again["a"])
    assert all(layer.p == 0 for layer in task.modules() if isinstance(layer, torch.nn.Dropout))
    output = task.eval()(views)
    assert torch.allclose(output["a"], output["b"], atol=1e-6)


def test_a_texts_embedding_is_its_own_whatever_it_is_packed_with() -> None:
    task = make(SimCSE, "bert-tiny", positives="dropout", shortest=4).eval()
    batch = rows(count=4)
    views = task.views(batch, rng())
    output = task(views)
    for row in range(4):
        for number in range(views["counted"].shape[1]):
            if not bool(views["counted"][row, number]):
                continue
            ids = batch["tokens"][row : row + 1, views["a"][row] == number]
            alone = task.head(task.backbone.embed(ids))[0]
            torch.testing.assert_close(output["a"][row, number], alone, rtol=1e-4, atol=1e-5)


def test_halves_do_not_see_one_another() -> None:
    """Each half's embedding is that of its words alone; together they are the text, and none is shorter than asked."""
    task = make(SimCSE, "bert-tiny", shortest=4).eval()
    batch = rows(count=6)
    views = task.views(batch, rng())
    output = task(views)
    places = set()
    for row, number in views["counted"].nonzero().tolist():
        first, second = (views[side][row] == number for side in ("a", "b"))
        text = (first | second).nonzero().squeeze(1)
        assert torch.equal(text, torch.arange(int(text[0]), int(text[-1]) + 1))
        assert not bool((first & second).any())
        assert len(set(batch["document"][row, text].tolist())) == 1
        assert min(int(first.sum()), int(second.sum())) >= 4
        assert int(first.nonzero().max()) < int(second.nonzero().min())
        places.add(int(first.sum()) / len(text))
        for side, half in (("a", first), ("b", second)):
            alone = task.head(task.backbone.embed(batch["tokens"][row : row + 1, half]))[0]
            torch.testing.assert_close(output[side][row, number], alone, rtol=1e-4, atol=1e-5)
    assert len(places) > 3


def test_dropout_has_to_tell_two_views_apart() -> None:
    with pytest.raises(ValueError, match=r"dropout=0\.0 with positives=dropout"):
        make(SimCSE, "bert-tiny", positives="dropout", dropout=0.0)
    make(SimCSE, "bert-tiny", dropout=0.0)


@pytest.mark.parametrize("positives", ["stretches", "dropout"])
def test_simcse_gets_gradients_and_learns(positives: str) -> None:
    task = make(SimCSE, "bert-tiny", positives=positives, shortest=8)
    views = task.views(rows(count=32), rng())
    optimizer = torch.optim.AdamW(task.parameters(), lr=5e-4)
    losses = []
    for step in range(20):
        torch.manual_seed(step)
        loss = total(task.loss(task(views)))
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        assert all(parameter.grad is not None for parameter in task.parameters())
        optimizer.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < 0.7 * losses[0]


# TSDAE ----------------------------------------------------------------------------------------------------------------------------


def test_tsdae_is_berts_decoder_with_tied_weights() -> None:
    """`BertLMHeadModel` as a decoder that attends to the embedding, one text a row, as the authors' code builds it."""
    from transformers import BertLMHeadModel

    task = make(TSDAE, "bert-tiny")
    with torch.no_grad():
        for parameter in task.parameters():
            parameter.add_(0.02 * torch.randn(parameter.shape, generator=rng(3)))
    ids = torch.randint(5, 60, (4, 20), generator=rng())
    views = task.views({"tokens": ids}, rng())
    output = task(views)
    config = type(task.backbone.model.config)(**{**task.backbone.model.config.to_dict(), "is_decoder": True, "add_cross_attention": True})
    theirs = fresh(BertLMHeadModel, config, "eager")
    crossing = {f"bert.encoder.layer.{number}.crossattention.{name}": value for number, layer in enumerate(task.crossing)
                for name, value in layer.state_dict().items()}  # fmt: skip
    head = {"transform.dense": task.head.dense, "transform.LayerNorm": task.head.norm}
    copied(theirs, {
        **{f"bert.{name}": value for name, value in task.backbone.model.state_dict().items()}, **crossing,
        **{f"cls.predictions.{name}.{part}": value for name, layer in head.items() for part, value in layer.state_dict().items()},
        "cls.predictions.bias": task.head.bias,
    })  # fmt: skip
    embedded = torch.stack([
        task.backbone.embed(views["kept"][row : row + 1, views["kept_text"][row] == 0])[0] for row in range(4)
    ])[:, None]  # fmt: skip
    before = torch.cat([torch.full((4, 1), CLS), ids[:, :-1]], dim=1)
    logits = theirs(input_ids=before, encoder_hidden_states=embedded).logits
    expected = F.cross_entropy(logits.flatten(0, 1), ids.flatten())
    assert float(task.loss(output)["reconstruction"].detach()) == pytest.approx(float(expected.detach()), abs=1e-4)


def test_tsdae_sees_nothing_of_other_texts_nor_of_later_words() -> None:
    task = make(TSDAE, "bert-tiny", shortest=4).eval()
    batch = rows(count=4)
    views = task.views(batch, rng())
    before = task(views)["nats"]
    other = {name: view.clone() for name, view in views.items()}
    document = batch["document"][0]
    border = int((document != document[0]).nonzero()[0])
    other["tokens"][0, border - 1] = 5 + (other["tokens"][0, border - 1] - 4) % 55  # the last word of the first document
    changed = (task(other)["nats"] - before).abs() > 1e-6
    assert changed[0, border - 1]
    assert int(changed.sum()) == 1


def test_tsdaes_weights_are_registered_once() -> None:
    task = make(TSDAE, "bert-tiny")
    names = [name for name in task.state_dict() if "word_embeddings" in name]
    assert names == ["backbone.model.embeddings.word_embeddings.weight"]
    assert all("crossattention" not in name for name in task.backbone.state_dict())


@pytest.mark.parametrize("name", ["modernbert-tiny", "gpt2-tiny", "t5-tiny"])
def test_tsdae_says_which_backbones_fit(name: str) -> None:
    with pytest.raises(ValueError, match="bert-mini"):
        make(TSDAE, name)


# Span corruption ------------------------------------------------------------------------------------------------------------------


def test_span_corruption_is_t5s_loss() -> None:
    from transformers import T5ForConditionalGeneration

    task = make(SpanCorruption, "t5-tiny", depth=2)
    config = type(task.backbone.model.config)(**{
        **task.backbone.model.config.to_dict(), "vocab_size": 60 + len(task.extra), "num_decoder_layers": 2,
        "decoder_start_token_id": 60 + task.sentinels, "d_ff": 512,
    })  # fmt: skip
    theirs = fresh(T5ForConditionalGeneration, config, "eager").eval()
    encoder = {
        name: value
        for name, value in task.backbone.model.state_dict().items()
        if name.startswith("encoder.") and "embed_tokens" not in name
    }
    decoder = {f"decoder.{name}": value for name, value in task.decoder.state_dict().items()}
    table = torch.cat([task.backbone.embedding.weight, task.extra])
    missing, unexpected = theirs.load_state_dict({**encoder, **decoder, "shared.weight": table}, strict=False)
    theirs.tie_weights()
    assert not unexpected
    assert all("embed_tokens" in name or "lm_head" in name for name in missing)
    views = task.views(rows(), rng())
    expected = theirs(input_ids=views["seen"], labels=views["target"]).loss
    assert float(task.loss(task(views))["spans"].detach()) == pytest.approx(float(expected.detach()), abs=1e-4)


def test_the_decoder_reads_words_as_large_as_what_its_layers_add() -> None:
    """A decoder of T5 reads words of variance 1; BERT's are fifty times smaller, and what is read is not larger for it."""
    task, seen = make(SpanCorruption, "bert-tiny"), []
    task.decoder.register_forward_pre_hook(lambda _, __, given: seen.append(given["inputs_embeds"]), with_kwargs=True)
    task(task.views(rows(), rng()))
    assert float(task.backbone.embedding.weight.detach().std()) == pytest.approx(0.02, rel=0.1)
    assert float(seen[0].detach().std()) == pytest.approx(1.0, rel=0.1)


def test_own_words_are_not_in_the_backbone() -> None:
    task = make(SpanCorruption, "bert-tiny")
    views = task.views(rows(), rng())
    assert int(views["seen"].max()) >= 60
    assert task.backbone.embedding.num_embeddings == 60
    assert int(views["target"].max()) < 60 + task.sentinels


# Tasks for pictures stay as they were ---------------------------------------------------------------------------------------------


def test_text_tasks_have_no_views_of_pictures() -> None:
    task = make(MaskedLanguageModel, "bert-tiny")
    assert task.modality == "text"
    assert isinstance(task.backbone, TextBackbone)
    assert not hasattr(task, "default_views")
    assert vocabulary().mask == MASK

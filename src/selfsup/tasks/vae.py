"""Variational autoencoder: rebuild a picture from a few noisy numbers that are kept near a standard normal."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from selfsup.backbones import Backbone
from selfsup.heads import PixelDecoder
from selfsup.pretext import Batch, Output, Pretext, Views
from selfsup.views import Augment

PIXELS = 32 * 32
"""For how many independent values a picture counts, whatever its size: neighbouring pixels of a larger picture say the same again."""

LARGEST = 20.0
"""A log-variance beyond this is cut: a deviation of exp(10) hides everything, one of exp(-10) nothing, and exp overflows at 89."""


class VariationalAutoencoder(Pretext):
    """Rebuild a picture from a noisy code near a standard normal. Kingma, Welling, ICLR 2014, arXiv 1312.6114.

    The embedding gives mean and log-variance of each latent dimension; a decoder paints the picture from mean + deviation x noise.
    The likelihood is a Gaussian of standard deviation `scale`. Summed over pixels, as in the paper, the reconstruction would weigh
    four times as much against the KL when the side doubles, though the picture shows nothing new. So it is a mean over pixels, and
    the KL is divided by 1,024: the balance at every size and number of channels is the paper's at 32 x 32 grey pixels.

    Options: `latent` is the number of latent dimensions; `beta` weighs the KL (Higgins et al., ICLR 2017; 1 is the paper's bound)
    and rises from 0 over the first `warm_up` share of training (Bowman et al., CoNLL 2016, arXiv 1511.06349); `free_bits` are the
    nats a dimension may hold on the batch's average before its KL costs anything (Kingma et al., NeurIPS 2016, arXiv 1606.04934),
    against collapse; a lower `scale` asks for more detail. The defaults suit embeddings; samples want a `beta` of 1. `width` is the
    number of channels of the decoder at full resolution; `crop` is the smallest share of area, `flip` the probability of mirroring.
    """

    couples_rows = True  # free bits look at the mean over the batch
    kind = "generative"
    learning_rate = 1e-3

    def __init__(
        self, backbone: Backbone, *, latent: int = 128, beta: float = 0.3, warm_up: float = 0.3, free_bits: float = 0.1,
        scale: float = 0.1, width: int = 16, crop: float = 0.8, flip: float = 0.5,
    ) -> None:  # fmt: skip
        super().__init__(backbone)
        if latent < 1 or scale <= 0 or min(beta, warm_up, free_bits) < 0:
            raise ValueError(
                f"latent={latent}, scale={scale}, beta={beta}, warm_up={warm_up}, free_bits={free_bits}: expected a latent width of at "
                "least 1, a scale above 0, and none of the others below 0."
            )
        self.latent, self.beta, self.warm_up, self.free_bits, self.scale = latent, beta, warm_up, free_bits, scale
        self.mean = nn.Linear(backbone.width, latent)
        self.log_variance = nn.Linear(backbone.width, latent)
        self.decoder = LatentDecoder(latent, size=backbone.size, channels=backbone.channels, width=width)
        self.default_views = Augment(size=backbone.size, crop=(crop, 1.0), flip=flip, jitter=0.0, grey=0.0)

    def views(self, batch: Batch, rng: torch.Generator) -> Views:
        image = self.augment(batch, rng)
        return {"image": image, "noise": torch.randn(len(image), self.latent, generator=rng, device=image.device)}

    def forward(self, views: Views) -> Output:
        embedding = self.backbone.embed(views["image"])
        mean = self.mean(embedding)
        log_variance = self.log_variance(embedding).clamp(-LARGEST, LARGEST)
        code = mean + torch.exp(log_variance / 2) * views["noise"]
        return {"rebuilt": self.decoder(code), "image": views["image"], "mean": mean, "log_variance": log_variance}

    def loss(self, output: Output) -> dict[str, Tensor]:
        error = F.mse_loss(output["rebuilt"], output["image"])
        # Free bits: the batch's mean, but no less than the floor, dimension by dimension.
        nats = normal_divergence(output["mean"], output["log_variance"]).mean(dim=0).clamp(min=self.free_bits)
        return {"reconstruction": error / (2 * self.scale**2), "kl": self.risen_beta() * nats.sum() / PIXELS}

    def risen_beta(self) -> Tensor:
        """The weight of the KL now."""
        risen = self.progress / self.warm_up if self.warm_up > 0 else torch.ones_like(self.progress)
        return self.beta * risen.clamp(max=1)

    def sample(self, count: int, rng: torch.Generator) -> Float[Tensor, "count C s s"]:
        return self.painted(torch.randn(count, self.latent, generator=rng, device=self.mean.weight.device))

    def painted(self, code: Float[Tensor, "B Z"]) -> Float[Tensor, "B C s s"]:
        """The pictures of codes, as they are looked at."""
        picture: Tensor = self.decoder(code)
        return picture.clamp(0, 1)

    def show(self, batch: Batch, rng: torch.Generator) -> dict[str, Tensor]:
        views = self.views(batch, rng)
        mean = self(views)["mean"]
        steps = torch.linspace(0, 1, len(mean), device=mean.device, dtype=mean.dtype)[:, None]
        return {
            "original": views["image"],
            "rebuilt": self.painted(mean),
            "sampled": self.sample(len(mean), rng),
            "from first to last": self.painted(torch.lerp(mean[:1], mean[-1:], steps)),
        }


class LatentDecoder(nn.Module):
    """Paints pictures from codes: `(B, latent) -> (B, channels, size, size)`. A linear layer to a map of about 4 x 4, then doublings."""

    def __init__(self, latent: int, *, size: int, channels: int, width: int) -> None:
        super().__init__()
        doublings = max(1, round(math.log2(size / 4)))
        self.shape = (min(256, width * 2**doublings), math.ceil(size / 2**doublings), math.ceil(size / 2**doublings))
        self.spread = nn.Linear(latent, math.prod(self.shape))
        self.paint = PixelDecoder(self.shape[0], 2**doublings, size=size, channels=channels, width=width)

    def forward(self, code: Float[Tensor, "B Z"]) -> Float[Tensor, "B C s s"]:
        picture: Tensor = self.paint(F.relu(self.spread(code)).reshape(-1, *self.shape))
        return picture


def normal_divergence(mean: Float[Tensor, "B Z"], log_variance: Float[Tensor, "B Z"]) -> Float[Tensor, "B Z"]:
    """KL of N(mean, variance) from N(0, 1) in nats, each dimension for itself: Kingma, Welling 2014, appendix B."""
    return (mean.square() + log_variance.exp() - 1 - log_variance) / 2

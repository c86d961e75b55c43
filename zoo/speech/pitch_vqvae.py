"""VQ-VAE that turns F0 tracks into pitch units and back (Dhariwal et al. 2020; Polyak et al. 2021).

A track enters as a tensor (B, 2, T): F0 in Hz, usually minus its mean, and 1 where a frame is voiced.
"""

from typing import Any

import torch
from torch import Tensor, nn

from zoo.ranges import Hertz
from zoo.speech.pitch_networks import PitchDecoder, PitchEncoder
from zoo.speech.vector_quantizer import EMACodebook, Quantized


class PitchVQVAE(nn.Module):
    """Encoder, codebook and decoder: tracks (B, 2, T) to pitch units (B, T // factor) and back.

    Args:
        encoder: Network that maps tracks to latents.
        codebook: Codebook that quantizes latents.
        decoder: Network that maps codes to tracks; None if only units are needed.
        scale_hz: Divisor of F0 at the input of the encoder and factor at the output of the decoder, so that both
            channels have a similar range; 1 in Spirit LM.

    Raises:
        ValueError: If encoder, codebook and decoder do not agree in their dimensions.
    """

    scale: Tensor

    def __init__(
        self,
        encoder: PitchEncoder,
        codebook: EMACodebook,
        decoder: PitchDecoder | None = None,
        scale_hz: Hertz = 1.0,
    ) -> None:
        super().__init__()
        if codebook.dim != encoder.dim:
            raise ValueError(f"dim is {encoder.dim} in the encoder and {codebook.dim} in the codebook; they must agree")
        if decoder is not None:
            _check_decoder(encoder, decoder)
        self.encoder = encoder
        self.codebook = codebook
        self.decoder = decoder
        self.scale_hz = scale_hz
        self.factor = encoder.factor
        scale = torch.ones(encoder.channels, 1)
        scale[0] = scale_hz
        self.register_buffer("scale", scale, persistent=False)

    def encode(self, tracks: Tensor) -> Tensor:
        """Return the units (B, T // factor) of tracks (B, 2, T)."""
        return self.codebook.nearest(self.encoder(tracks / self.scale))

    def decode(self, units: Tensor) -> Tensor:
        """Return the tracks (B, 2, T * factor) of units (B, T).

        Raises:
            ValueError: If there is no decoder.
        """
        return self._reconstruct(self.codebook.look_up(units))

    def forward(self, tracks: Tensor) -> tuple[Tensor, Quantized]:
        """Return the reconstructed tracks and the quantized latents.

        Args:
            tracks: (B, 2, T), T a multiple of ``factor``.

        Raises:
            ValueError: If there is no decoder.
        """
        quantized = self.codebook(self.encoder(tracks / self.scale))
        return self._reconstruct(quantized.latents), quantized

    def _reconstruct(self, latents: Tensor) -> Tensor:
        """Decode latents: (B, dim, T) to (B, 2, T * factor)."""
        if self.decoder is None:
            raise ValueError("this pitch VQ-VAE was built without a decoder: it only encodes")
        return self.decoder(latents) * self.scale

    def config(self) -> dict[str, Any]:
        """Return what ``from_config`` builds this network from, as JSON can express it."""
        return {
            "encoder": self.encoder.config(),
            "codebook": self.codebook.config(),
            "decoder": None if self.decoder is None else self.decoder.config(),
            "scale_hz": self.scale_hz,
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "PitchVQVAE":
        """Build the network of a ``config``, with random weights."""
        encoder = PitchEncoder.from_config(config["encoder"])
        codebook = EMACodebook(**config["codebook"])
        decoder = PitchDecoder.from_config(config["decoder"]) if config["decoder"] else None
        return cls(encoder, codebook, decoder, config["scale_hz"])


def _check_decoder(encoder: PitchEncoder, decoder: PitchDecoder) -> None:
    """Raise ValueError if a decoder is not the mirror image of an encoder."""
    for name in ("dim", "factor", "channels"):
        encoder_value = getattr(encoder, name)
        decoder_value = getattr(decoder, name)
        if encoder_value != decoder_value:
            raise ValueError(
                f"{name} is {encoder_value} in the encoder and {decoder_value} in the decoder; they must agree"
            )

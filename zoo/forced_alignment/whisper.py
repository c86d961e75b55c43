"""Forced alignment by the cross-attention of Whisper (Radford et al. 2023)."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor
from transformers import AutoFeatureExtractor, AutoTokenizer, WhisperForConditionalGeneration

from zoo.forced_alignment.aligner import MIN_WORD_SECONDS, Alignment
from zoo.forced_alignment.attention_path import (
    EnergyOnsets,
    attended_frames,
    in_order,
    monotonic_starts,
    normalize_attention,
)
from zoo.languages import is_unspaced, whisper_code
from zoo.pretrained_networks import read_network
from zoo.ranges import NonNegativeInt
from zoo.speech.encoders.checkpoints import read_configuration
from zoo.speech.encoders.packed_whisper import encode_packed

MULTILINGUAL_SIZE = 51865  # OpenAI's English-only checkpoints have one token less
# Attention of all heads of the last layers is centered so long after the onset of a word, unlike that of alignment
# heads. Chosen with the constants of ``attention_path``.
DELAY_SECONDS = 0.06
PADDING_SECONDS = 1.0  # silence after the speech; Whisper was trained with silence up to 30 s


@dataclass(frozen=True)
class _AttendedText:
    """What the decoder says about the tokens of a transcript.

    Args:
        scores: Normalized attention of each text token, then of the end token, over frames, (num_tokens + 1, T).
        probabilities: Probability of each text token, (num_tokens,).
    """

    scores: np.ndarray
    probabilities: np.ndarray


class WhisperAligner:
    """Aligns words by dynamic time warping over the cross-attention of a Whisper that is given the transcript.

    The attention that predicts the first token of a word is centered on the onset of the word; the start is moved to a
    rise of energy, where there is one near. The confidence of a word is the mean probability of its tokens.

    Args:
        checkpoint: Name or folder of a Whisper checkpoint of transformers.
        language: Language of all speech, such as ``en``. By default, the language of each utterance in the corpus.
        heads: Layer and head, both from 0, of each cross-attention head that follows the speech. Defaults to
            ``alignment_heads`` of the checkpoint's generation configuration, or else all heads of the last half of the
            layers.
        device: Torch device, such as ``cuda``.

    Raises:
        FileNotFoundError: There is no such checkpoint.
        ValueError: The checkpoint is no Whisper or has no such head or language.
    """

    def __init__(
        self,
        checkpoint: str,
        language: str | None = None,
        heads: Sequence[tuple[NonNegativeInt, NonNegativeInt]] | None = None,
        device: str = "cpu",
    ) -> None:
        self.checkpoint = checkpoint
        config: Any = read_configuration(checkpoint)
        if config.model_type != "whisper":
            raise ValueError(f"{checkpoint} is a {config.model_type}, not a Whisper; name a Whisper checkpoint")
        # Only the eager implementation returns attention.
        network: Any = read_network(
            WhisperForConditionalGeneration, checkpoint, options={"attn_implementation": "eager"}
        )
        self.network = network.eval().requires_grad_(False).to(device)
        tokenizer: Any = AutoTokenizer.from_pretrained(checkpoint, trust_remote_code=False)
        self.tokenizer = tokenizer
        self.vocabulary: dict[str, int] = tokenizer.get_vocab()
        self.feature_extractor: Any = AutoFeatureExtractor.from_pretrained(checkpoint, trust_remote_code=False)
        self.config = config
        self.device = device
        self.language = language
        listed = heads or getattr(self.network.generation_config, "alignment_heads", None)
        self.heads = self._checked_heads(listed)
        self.delay_seconds = 0.0 if listed else DELAY_SECONDS
        self.sample_rate = int(self.feature_extractor.sampling_rate)
        # The second convolution of the encoder halves the rate.
        self.frame_samples = 2 * int(self.feature_extractor.hop_length)
        if language is not None:
            self._prompt(language)

    @property
    def name(self) -> str:
        return json.dumps(["whisper", str(self.checkpoint), self.language, self.heads])

    @torch.inference_mode()
    def align(self, waveform: Tensor, words: Sequence[str], language: str = "und") -> Alignment:
        """Return the times of each word; see ``Aligner.align``.

        Raises:
            ValueError: There are no words, they do not fit into the audio or the decoder, the audio is longer than the
                encoder's window, or Whisper does not know the language.
        """
        language = self.language or language
        prompt = self._prompt(language)
        word_tokens = self._word_tokens(words, language)
        tokens = [token for ids in word_tokens for token in ids]
        self._require_fit(waveform, words, len(prompt) + len(tokens) + 1)
        text = self._attend(waveform, prompt, tokens)
        firsts = np.cumsum([0, *map(len, word_tokens)])  # index of the first token of each word, and the end
        seconds = self._token_seconds(text.scores)
        onsets = EnergyOnsets(waveform.cpu().float(), self.sample_rate)
        nearest = np.array([onsets.nearest(start) for start in seconds[firsts[:-1]]])
        duration = len(waveform) / self.sample_rate
        starts = in_order(nearest, duration)
        confidences = []
        for first, last in zip(firsts, firsts[1:], strict=False):
            confidences.append(round(float(text.probabilities[first:last].mean()), 4))
        return Alignment(_intervals(words, starts, duration, onsets), tuple(confidences))

    def _attend(self, waveform: Tensor, prompt: list[int], tokens: list[int]) -> _AttendedText:
        """Run the network on speech and its transcript."""
        end = self.tokenizer.eos_token_id
        decoder_ids = torch.tensor([[*prompt, *tokens, end]], device=self.device)
        output = self.network(
            encoder_outputs=(self._encode(waveform),),
            decoder_input_ids=decoder_ids,
            output_attentions=True,
            use_cache=False,
        )
        num_frames = -(-len(waveform) // self.frame_samples)
        # The position before a token predicts it; the last position of the prompt predicts the first token.
        predicting = slice(len(prompt) - 1, len(prompt) + len(tokens))
        attention = [output.cross_attentions[layer][0, head, predicting, :num_frames] for layer, head in self.heads]
        scores = normalize_attention(torch.stack(attention).float())
        probabilities = output.logits[0, predicting].float().softmax(-1)[:-1]
        chosen = probabilities.gather(-1, torch.tensor(tokens, device=self.device)[:, None])[:, 0]
        return _AttendedText(scores.cpu().numpy(), chosen.cpu().numpy())

    def _encode(self, waveform: Tensor) -> Tensor:
        """Return the output of the encoder, (1, T, D), with less silence after the speech than in training."""
        samples = waveform.cpu().numpy()
        features = self.feature_extractor(samples, sampling_rate=self.sample_rate, return_tensors="pt").input_features
        num_frames = -(-len(waveform) // self.frame_samples) + round(
            PADDING_SECONDS * self.sample_rate / self.frame_samples
        )
        num_frames = min(num_frames, self.config.max_source_positions)
        encoder = self.network.get_encoder()
        spectrogram = features[0, :, : 2 * num_frames].to(self.device, encoder.conv1.weight.dtype)
        return encode_packed(encoder, [spectrogram])[0][None]

    def _token_seconds(self, scores: np.ndarray) -> np.ndarray:
        """Return the time at which each token and the end token begin, (num_tokens + 1,)."""
        centers = attended_frames(scores, monotonic_starts(scores))
        return centers * self.frame_samples / self.sample_rate - self.delay_seconds

    def _word_tokens(self, words: Sequence[str], language: str) -> list[list[int]]:
        """Return the token ids of each word."""
        space = "" if is_unspaced(language) else " "
        return [self.tokenizer.encode(space + word, add_special_tokens=False) for word in words]

    def _prompt(self, language: str) -> list[int]:
        """Return the ids before the transcript: start, language and task if there are several, no timestamps."""
        names = ["<|startoftranscript|>"]
        if self._id("<|transcribe|>") is not None and self._is_multilingual:
            names += [f"<|{whisper_code(language)}|>", "<|transcribe|>"]
        names.append("<|notimestamps|>")
        ids = []
        for name in names:
            number = self._id(name)
            if number is None:
                raise ValueError(f"{self.checkpoint} has no token {name} (language {language!r}); set language=")
            ids.append(number)
        return ids

    @property
    def _is_multilingual(self) -> bool:
        is_multilingual = getattr(self.network.generation_config, "is_multilingual", None)
        if is_multilingual is None:
            return self.config.vocab_size >= MULTILINGUAL_SIZE
        return bool(is_multilingual)

    def _id(self, token: str) -> int | None:
        return self.vocabulary.get(token)

    def _require_fit(self, waveform: Tensor, words: Sequence[str], num_tokens: int) -> None:
        """Raise a ValueError if there are no words, or too many, or too much audio."""
        duration = len(waveform) / self.sample_rate
        longest = self.config.max_source_positions * self.frame_samples / self.sample_rate
        if not words:
            raise ValueError("no words to align")
        if duration > longest:
            raise ValueError(f"{duration:.1f} s of audio; Whisper aligns up to {longest:g} s: cut it into utterances")
        if num_tokens > self.config.max_target_positions:
            raise ValueError(f"{num_tokens} tokens; this Whisper takes up to {self.config.max_target_positions}")
        if num_tokens > len(waveform) // self.frame_samples or len(words) * MIN_WORD_SECONDS > duration:
            raise ValueError(f"{num_tokens} tokens do not fit into {duration:.2f} s of audio")

    def _checked_heads(self, heads: Sequence[tuple[int, int]] | None) -> list[tuple[int, int]]:
        num_layers = self.config.decoder_layers
        num_heads = self.config.decoder_attention_heads
        if not heads:
            layers = range(num_layers // 2, num_layers)
            return [(layer, head) for layer in layers for head in range(num_heads)]
        for layer, head in heads:
            if not (0 <= layer < num_layers and 0 <= head < num_heads):
                raise ValueError(
                    f"heads: {self.checkpoint} has layers 0 to {num_layers - 1} with heads 0 to {num_heads - 1}, "
                    f"got layer {layer}, head {head}"
                )
        return [(int(layer), int(head)) for layer, head in heads]


def _intervals(
    words: Sequence[str], starts: np.ndarray, duration: float, onsets: EnergyOnsets
) -> tuple[tuple[str, float, float], ...]:
    """Return each word from its start to the pause after it, or to the next word."""
    limits = np.append(starts[1:], duration)
    intervals = []
    for word, start, limit in zip(words, starts, limits, strict=True):
        end = max(onsets.end_of_sound(start, limit), start + MIN_WORD_SECONDS)
        intervals.append((word, round(float(start), 3), round(float(min(end, limit)), 3)))
    return tuple(intervals)

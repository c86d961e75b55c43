"""Forced alignment by a CTC network: any of transformers, or the multilingual one of MMS."""

import json
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torchaudio.functional import forced_align
from torchaudio.pipelines import MMS_FA
from transformers import AutoFeatureExtractor, AutoModelForCTC, AutoTokenizer

from zoo.forced_alignment.aligner import Alignment
from zoo.pretrained_networks import read_network

BLANK = "-"
STAR = "*"  # wildcard letter that matches any sound
# Letters that Unicode does not decompose into a plain letter and an accent.
PLAIN_LETTERS = {"ß": "ss", "æ": "ae", "œ": "oe", "ø": "o", "ł": "l", "đ": "d", "ð": "d", "þ": "th", "ı": "i", "’": "'"}


class CTCAligner:
    """Viterbi alignment of letters under a CTC network (Kürzinger et al. 2020, Pratap et al. 2023).

    The confidence of a word is the mean probability of its letters in the frames where they are emitted.

    Args:
        network: Network that maps a waveform (1, num_samples) to a tuple whose first element is the logits (1, T,
            num_letters).
        letters: Index of each letter.
        sample_rate: Sample rate of the waveforms, in Hz.
        blank: Name of the blank in ``letters``.
        star: Name of the letter that matches any sound; None if there is none.
        delimiter: Name of the letter between words; None if the network has none.
        name: What the times depend on, such as the checkpoint.
    """

    def __init__(
        self,
        network: nn.Module,
        letters: Mapping[str, int],
        sample_rate: int = 16000,
        blank: str = BLANK,
        star: str | None = STAR,
        delimiter: str | None = None,
        name: str = "ctc",
    ) -> None:
        self.network = network.eval()
        self.letters = dict(letters)
        self.sample_rate = sample_rate
        self.blank = self.letters[blank]
        self.star = star if star in self.letters else None
        self.delimiter = delimiter
        self.name = name
        self.known = self.letters.keys() - {blank, star, delimiter}

    @torch.inference_mode()
    def align(self, waveform: Tensor, words: Sequence[str], language: str = "und") -> Alignment:
        """Return the times of each word; see ``Aligner.align``."""
        spellings = [self.spell(word) for word in words]
        indices = self._target(spellings)
        target = torch.tensor([indices], dtype=torch.int32)  # (1, L)
        log_probs = self.network(waveform.unsqueeze(0))[0].log_softmax(-1).float().cpu()  # (1, T, num_letters)
        num_frames = log_probs.shape[1]
        seconds = len(waveform) / self.sample_rate
        # CTC needs a blank between equal letters.
        num_repeats = int((target[0, 1:] == target[0, :-1]).sum())
        if not words or num_frames < len(indices) + num_repeats:
            raise ValueError(f"{len(indices)} letters do not fit into {seconds:.2f} s of audio")
        paths, scores = forced_align(log_probs, target, blank=self.blank)
        spans = _letter_spans(paths[0].tolist(), self.blank)
        probabilities = scores[0].exp()
        frame_seconds = seconds / num_frames
        intervals = []
        confidences = []
        first = 0  # index of the first letter of the word
        for word, spelling in zip(words, spellings, strict=True):
            last = first + len(spelling) - 1
            start = round(spans[first].start * frame_seconds, 3)
            end = round((spans[last].end + 1) * frame_seconds, 3)
            intervals.append((word, start, end))
            emitted = [probabilities[span.start : span.end + 1].mean() for span in spans[first : last + 1]]
            confidences.append(round(float(torch.stack(emitted).mean()), 4))
            first = last + 1 + (self.delimiter is not None)
        return Alignment(tuple(intervals), tuple(confidences))

    def _target(self, spellings: Sequence[Sequence[str]]) -> list[int]:
        """Return the indices of the letters of all words, with the delimiter between words if there is one."""
        indices: list[int] = []
        for spelling in spellings:
            if indices and self.delimiter is not None:
                indices.append(self.letters[self.delimiter])
            indices += [self.letters[letter] for letter in spelling]
        return indices

    def spell(self, word: str) -> list[str]:
        """Return the spelling of a word in the network's letters, in their case and without accents that they lack.

        The spelling is the star alone for a word without any letter of the network.

        Raises:
            ValueError: The word has no letter of the network, and the network has no star.
        """
        spelling = []
        for letter in word:
            spelling += self._known_letters(letter)
        if spelling:
            return spelling
        if self.star is not None:
            return [self.star]
        raise ValueError(
            f"{word!r} has no letter that this aligner knows: write the text in Latin letters, as uroman does, "
            f"or in its own ({''.join(sorted(self.known))[:40]})"
        )

    def _known_letters(self, letter: str) -> list[str]:
        """Return a letter as the network knows it: as it is, in the other case, or without its accent."""
        for variant in (letter, letter.lower(), letter.upper()):
            if variant in self.known:
                return [variant]
        # NFKD separates letters from their accents.
        decomposed = unicodedata.normalize("NFKD", PLAIN_LETTERS.get(letter.lower(), letter.lower()))
        known = []
        for plain in decomposed:
            if plain in self.known:
                known.append(plain)
            elif plain.upper() in self.known:
                known.append(plain.upper())
        return known


@dataclass
class _LetterSpan:
    """First and last frame of a letter."""

    start: int
    end: int


def _letter_spans(path: list[int], blank: int) -> list[_LetterSpan]:
    """Return the frames of each letter of a CTC path (T,)."""
    spans: list[_LetterSpan] = []
    previous = blank
    for frame, letter in enumerate(path):
        if letter != blank and letter != previous:
            spans.append(_LetterSpan(frame, frame))
        elif letter != blank:
            spans[-1].end = frame
        previous = letter
    return spans


def mms_aligner(weights: Path) -> CTCAligner:
    """Load the multilingual aligner of MMS (Pratap et al. 2023), for over a thousand languages in Latin letters.

    Args:
        weights: The file ``model.pt`` that torchaudio's ``MMS_FA`` bundle downloads (CC BY-NC 4.0).

    Raises:
        FileNotFoundError: If there is no such file.
    """
    if not Path(weights).is_file():
        raise FileNotFoundError(
            f"{weights}: no weights of the MMS aligner; get the file that torchaudio.pipelines.MMS_FA names, "
            "or train without interleaved data"
        )
    location = {"model_dir": str(Path(weights).parent), "file_name": Path(weights).name, "weights_only": True}
    network = MMS_FA.get_model(with_star=True, dl_kwargs=location)
    return CTCAligner(network, MMS_FA.get_dict(star=STAR), int(MMS_FA.sample_rate), name=f"mms {weights}")


def pretrained_ctc_aligner(checkpoint: str, device: str = "cpu") -> CTCAligner:
    """Load any CTC recognizer of transformers as an aligner: wav2vec 2.0, HuBERT, WavLM, w2v-BERT 2.0 and so on.

    Letters, blank and word delimiter are those of its tokenizer, and waveforms are normalized as its feature extractor
    does.

    Args:
        checkpoint: Name or folder of the checkpoint, with tokenizer and feature extractor.
        device: Torch device, such as ``cuda``.

    Raises:
        ValueError: The tokenizer has no blank, or does not fit the network.
    """
    # The mask of SpecAugment is used in training only.
    optional = ("wav2vec2.masked_spec_embed", "hubert.masked_spec_embed", "wavlm.masked_spec_embed")
    network: Any = read_network(AutoModelForCTC, checkpoint, optional=optional)
    tokenizer: Any = AutoTokenizer.from_pretrained(checkpoint, trust_remote_code=False)
    feature_extractor: Any = AutoFeatureExtractor.from_pretrained(checkpoint, trust_remote_code=False)
    vocabulary = tokenizer.get_vocab()
    blank = tokenizer.pad_token
    if blank not in vocabulary:
        raise ValueError(f"{checkpoint}: its tokenizer has no pad token, which is the blank of CTC in transformers")
    special = set(tokenizer.all_special_tokens) - {blank}
    delimiter = getattr(tokenizer, "word_delimiter_token", None)
    letters = {letter: index for letter, index in vocabulary.items() if letter not in special or letter == delimiter}
    if max(letters.values()) >= network.config.vocab_size:
        raise ValueError(
            f"{checkpoint}: its tokenizer has index {max(letters.values())}, its network {network.config.vocab_size} "
            "outputs; want the tokenizer that it was trained with"
        )
    wrapped = _TransformersCTC(network.to(torch.device(device)), feature_extractor, device)
    return CTCAligner(
        wrapped,
        letters,
        int(feature_extractor.sampling_rate),
        blank=blank,
        star=None,
        delimiter=delimiter if delimiter in letters else None,
        name=json.dumps(["ctc", str(checkpoint)]),
    )


class _TransformersCTC(nn.Module):
    """A CTC network of transformers with its feature extractor: (1, num_samples) to logits (1, T, num_letters).

    Args:
        network: The network.
        feature_extractor: Normalizes waveforms, or makes filter banks of them.
        device: Torch device of the network.
    """

    def __init__(self, network: nn.Module, feature_extractor: Any, device: str) -> None:
        super().__init__()
        self.network = network
        self.feature_extractor = feature_extractor
        self.device = device

    def forward(self, waveforms: Tensor) -> tuple[Tensor]:
        inputs = self.feature_extractor(
            waveforms[0].cpu().numpy(),
            sampling_rate=self.feature_extractor.sampling_rate,
            return_tensors="pt",
        )
        return (self.network(**inputs.to(self.device)).logits,)

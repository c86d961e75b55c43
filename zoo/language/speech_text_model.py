"""A trained language model with the tokenizer and the vocoder that connect it to speech."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn
from transformers import AutoModelForCausalLM, PreTrainedModel

from zoo.audio import read
from zoo.language.adapter_weights import is_adapter
from zoo.language.adapters import add_adapter, load_adapted
from zoo.language.generation import Continuation, Sampling, generate
from zoo.language.stopping import SpeechDuration, minimum_seconds, predicted_seconds
from zoo.language.token_streaming import stream_chunks, stream_ids
from zoo.pretrained_networks import read_network
from zoo.tokenizers.speech_tokenizer import SpeechTokenizer, load_tokenizer
from zoo.tokens.contract import FILE, require_match
from zoo.tokens.merged_streams import Tokens
from zoo.tokens.vocabulary import Vocabulary
from zoo.vocoder.streaming import StreamingVocoder
from zoo.vocoder.vocoder import Vocoder

# A text, speech tokens, a waveform (N,) at the tokenizer's sampling rate, or the path of an audio file.
Segment = str | Tokens | Tensor | Path
Prompt = Segment | Sequence[Segment]


@dataclass(frozen=True)
class Answer:
    """The generated continuation of a prompt, with its speech synthesized.

    Args:
        segments: Text and speech tokens in order; neighbors differ in modality.
        text: The text segments, joined by spaces.
        waveform: The speech segments, synthesized, (N,); None without speech or without a vocoder.
        sample_rate: Sampling rate of the waveform in Hz.
        ended: Whether the model ended the continuation, rather than a limit.
    """

    segments: list[str | Tokens]
    text: str
    waveform: Tensor | None
    sample_rate: int
    ended: bool


class SpeechTextModel(nn.Module):
    """A language model with tokenizer and vocoder, which continues prompts of text and speech with text and speech.

    Args:
        network: Language model over the vocabulary.
        vocabulary: Vocabulary of text tokens and units.
        tokenizer: Encodes speech as units.
        vocoder: Synthesizes speech from units; without one, generated speech stays units.
    """

    network: PreTrainedModel
    tokenizer: SpeechTokenizer
    vocoder: Vocoder | None

    def __init__(
        self,
        network: PreTrainedModel,
        vocabulary: Vocabulary,
        tokenizer: SpeechTokenizer,
        vocoder: Vocoder | None = None,
    ) -> None:
        super().__init__()
        self.network = network.eval()
        self.vocabulary = vocabulary
        self.tokenizer = tokenizer
        self.vocoder = vocoder

    @classmethod
    def load(
        cls,
        run: Path | str,
        language_model: Path | str | None = None,
        tokenizer: Path | str | None = None,
        vocoder: Path | str | None = None,
        adapter: Path | str | None = None,
    ) -> "SpeechTextModel":
        """Load the results of a run's stages, after comparing their contracts.

        Args:
            run: Folder of a run, with ``language_model/model``, ``tokenizer/tokenizer`` and, for speech output,
                ``vocoder/vocoder``.
            language_model: Folder of a language model, instead of the run's.
            tokenizer: Folder of a tokenizer, instead of the run's.
            vocoder: Folder of a vocoder, instead of the run's.
            adapter: Folder of an adapter to add to the language model. Defaults to none.

        Raises:
            FileNotFoundError: If a part is missing.
            ContractError: If two parts were made for different tokens.
        """
        run = Path(run)
        model_folder = Path(language_model or run / "language_model" / "model")
        tokenizer_folder = Path(tokenizer or run / "tokenizer" / "tokenizer")
        vocoder_folder = Path(vocoder or run / "vocoder" / "vocoder")
        _require_contract(model_folder, "language_model")
        _require_contract(tokenizer_folder, "tokenizer")
        has_vocoder = vocoder is not None or vocoder_folder.is_dir()
        if has_vocoder:
            require_match(tokenizer_folder, vocoder_folder)
        require_match(tokenizer_folder, model_folder)
        network, vocabulary = load_language_model(model_folder)
        if adapter is not None:
            # A PeftModel has the attributes and methods of its base, and is used in its place from here on.
            network = add_adapter(network, model_folder, Path(adapter), "adapter")
        return cls(
            network,  # pyrefly: ignore[bad-argument-type]
            vocabulary,
            load_tokenizer(tokenizer_folder),
            Vocoder.load(vocoder_folder) if has_vocoder else None,
        )

    def generate(
        self,
        prompt: Prompt,
        to: str = "any",
        sampling: Sampling = Sampling(),
        speaker: str | int | None = None,
    ) -> Answer:
        """Continue a prompt.

        Args:
            prompt: Texts, speech tokens, waveforms (N,) at the tokenizer's sampling rate and paths of audio files, in
                any order; or one of them alone.
            to: Modality of the continuation: ``text``, ``speech`` or ``any``.
            sampling: How tokens are chosen.
            speaker: Name or index of a speaker of the vocoder. Defaults to its ``default_speaker``.

        Raises:
            ValueError: If ``to`` is no modality, or the prompt has an empty segment or is longer than the model can
                read.
        """
        return self.generate_batch([prompt], to, sampling, speaker)[0]

    def generate_batch(
        self,
        prompts: Sequence[Prompt],
        to: str = "any",
        sampling: Sampling = Sampling(),
        speaker: str | int | None = None,
    ) -> list[Answer]:
        """Continue several prompts in one batch; the other arguments are those of ``generate``."""
        tokenized = [self._tokenize(prompt) for prompt in prompts]
        continuations = generate(self.network, self.vocabulary, tokenized, to, sampling, self._duration)
        return [self._synthesize(continuation, speaker) for continuation in continuations]

    def stream(
        self,
        prompt: Prompt,
        to: str = "any",
        sampling: Sampling = Sampling(),
        speaker: str | int | None = None,
        num_speech_tokens: int = 16,
    ) -> Iterator[str | Tensor | Tokens]:
        """Continue a prompt chunk by chunk.

        Yields characters as they are generated, and chunks of the waveform, or speech tokens without a vocoder. Joined,
        they are what ``generate`` returns; samples near the joints differ by rounding errors only.

        Args:
            prompt: Prompt, as for ``generate``.
            to: Modality of the continuation: ``text``, ``speech`` or ``any``.
            sampling: How tokens are chosen.
            speaker: Name or index of a speaker of the vocoder. Defaults to its ``default_speaker``.
            num_speech_tokens: Number of speech tokens that are synthesized at a time.
        """
        vocoder = StreamingVocoder(self.vocoder, speaker) if self.vocoder else None
        ids = stream_ids(self.network, self.vocabulary, self._tokenize(prompt), to, sampling, self._duration)
        for chunk in stream_chunks(self.vocabulary, ids, num_speech_tokens):
            content: str | Tensor | Tokens = chunk.content
            if vocoder is not None and isinstance(chunk.content, Tokens):
                content = vocoder(chunk.content, chunk.ends_segment)
                if chunk.ends_segment:
                    vocoder.reset()
            if len(content):
                yield content

    def encode(self, speech: Tensor | Path | str) -> Tokens:
        """Return the deduplicated tokens of a waveform (N,) at the tokenizer's sampling rate, or of an audio file."""
        return self.tokenizer.tokens(self._waveform(speech))

    def decode(self, speech: Tokens, speaker: str | int | None = None) -> Tensor:
        """Synthesize speech tokens as a waveform (N,) at the vocoder's sampling rate, with predicted durations.

        Raises:
            ValueError: If the model has no vocoder.
        """
        return self._require_vocoder()(speech, speaker)

    def resynthesize(self, speech: Tensor | Path | str, speaker: str | int | None = None) -> Tensor:
        """Encode speech as units and synthesize it from them with its own timing, as a waveform (N,).

        Args:
            speech: Waveform (N,) at the tokenizer's sampling rate, or path of an audio file.
            speaker: Name or index of a speaker of the vocoder. Defaults to its ``default_speaker``.

        Raises:
            ValueError: If the model has no vocoder.
        """
        vocoder = self._require_vocoder()
        return vocoder(self.tokenizer.encode(self._waveform(speech)), speaker, predict_durations=False)

    def transcribe(self, speech: Tensor | Path | str, num_beams: int = 1, max_new_tokens: int = 200) -> str:
        """Return the text with which the model continues speech, by greedy decoding or beam search.

        Args:
            speech: Waveform (N,) at the tokenizer's sampling rate, or path of an audio file.
            num_beams: Number of beams; 1 is greedy decoding.
            max_new_tokens: Maximum number of text tokens.
        """
        sampling = Sampling(max_new_tokens, temperature=0, num_beams=num_beams)
        return self.generate([self._waveform(speech)], "text", sampling).text

    def speak(self, text: str, sampling: Sampling = Sampling(), speaker: str | int | None = None) -> Tensor:
        """Return the speech with which the model continues a text, as a waveform (N,) at the vocoder's sampling rate.

        Args:
            text: Text.
            sampling: How tokens are chosen.
            speaker: Name or index of a speaker of the vocoder. Defaults to its ``default_speaker``.

        Raises:
            ValueError: If the model has no vocoder, or generated no speech.
        """
        self._require_vocoder()
        waveform = self.generate(text, "speech", sampling, speaker).waveform
        if waveform is None:
            raise ValueError(f"no speech for {text[:60]!r}: the model ended at once; try another seed or temperature")
        return waveform

    def _waveform(self, speech: Tensor | Path | str) -> Tensor:
        return speech if isinstance(speech, Tensor) else read(Path(speech), self.tokenizer.sample_rate)

    def _require_vocoder(self) -> Vocoder:
        if self.vocoder is None:
            raise ValueError("this model has no vocoder to synthesize speech: load it with vocoder=FOLDER")
        return self.vocoder

    @property
    def _duration(self) -> SpeechDuration:
        return predicted_seconds(self.vocoder) if self.vocoder else minimum_seconds

    def _tokenize(self, prompt: Prompt) -> list[str | Tokens]:
        segments = [prompt] if isinstance(prompt, str | Tokens | Tensor | Path) else prompt
        return [self.encode(segment) if isinstance(segment, Tensor | Path) else segment for segment in segments]

    def _synthesize(self, continuation: Continuation, speaker: str | int | None) -> Answer:
        waveform = None
        sample_rate = self.tokenizer.sample_rate
        if self.vocoder is not None:
            sample_rate = self.vocoder.sample_rate
            waveforms = []
            for segment in continuation.segments:
                if isinstance(segment, Tokens) and len(segment):
                    waveforms.append(self.vocoder(segment, speaker))
            waveform = torch.cat(waveforms) if waveforms else None
        return Answer(continuation.segments, continuation.text, waveform, sample_rate, continuation.ended)


def _require_contract(folder: Path, name: str) -> None:
    if not (folder / FILE).is_file():
        raise FileNotFoundError(
            f"no {name} in {folder}: run its stage first, or name another folder with --{name.replace('_', '-')}"
        )


def load_language_model(folder: Path | str) -> tuple[PreTrainedModel, Vocabulary]:
    """Load the ``model`` folder of a language model stage; an adapter is loaded together with its base model.

    Raises:
        FileNotFoundError: If the folder contains no language model.
    """
    folder = Path(folder)
    vocabulary = Vocabulary.load(folder)
    if is_adapter(folder):
        return load_adapted(folder), vocabulary  # pyrefly: ignore[bad-return]  # used like its base from here on
    network = read_network(AutoModelForCausalLM, folder, dtype=None, unexpected="none")
    return network.eval(), vocabulary

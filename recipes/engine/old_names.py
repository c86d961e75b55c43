"""What recipes of earlier versions call by another name, so that an error can say the new one.

Nothing is translated: a recipe with an old name is refused, and the line that refuses it names the new one. The tables
are read only for names that do not exist, so a name that has a new meaning today is never taken for the old one.
"""

import inspect
import typing
from collections.abc import Mapping
from dataclasses import is_dataclass
from typing import Any

from recipes.engine.signatures import Argument, signature

# Modules, by their dotted names; what lies below one has moved with it.
MODULES = {
    "zoo.alignment": "zoo.forced_alignment",
    "zoo.corpora.pieces": "zoo.corpora.chunks",
    "zoo.corpora.left_out": "zoo.corpora.speaker_folds",
    "zoo.corpora.opening": "zoo.corpora.format_detection",
    "zoo.corpora.texts": "zoo.corpora.text_sources",
    "zoo.corpora.table": "zoo.corpora.table_corpus",
    "zoo.corpora.folder": "zoo.corpora.folder_corpus",
    "zoo.corpora.demo": "zoo.corpora.demo_corpus",
    "zoo.corpora.word_times": "zoo.corpora.espeak_word_times",
    "zoo.corpora.voices": "zoo.corpora.demo_voices",
    "zoo.corpora.stories": "zoo.corpora.demo_stories",
    "zoo.corpora.story_grammars": "zoo.corpora.demo_story_grammars",
    "zoo.tokens.text": "zoo.tokens.text_tokenizer",
    "zoo.tokens.sentencepiece_text": "zoo.tokens.sentencepiece_tokenizer",
    "zoo.tokens.tokenizers": "zoo.tokenizers.speech_tokenizer",
    "zoo.tokens.tokenise": "zoo.tokenizers.tokenization",
    "zoo.tokens.jobs": "zoo.tokenizers.jobs",
    "zoo.tokens.engines": "zoo.tokenizers.engines",
    "zoo.tokens.ray_engine": "zoo.tokenizers.ray_engine",
    "zoo.tokens.parts": "zoo.tokenizers.resumable_shards",
    "zoo.tokens.tally": "zoo.tokenizers.tally",
    "zoo.speech.extractor": "zoo.speech.unit_extractor",
    "zoo.speech.hubert": "zoo.speech.hubert_pretraining",
    "zoo.speech.packed": "zoo.speech.encoders.packed_wav2vec2",
    "zoo.speech.phonetic": "zoo.speech.phonetic_units",
    "zoo.speech.style": "zoo.speech.style_units",
    "zoo.speech.spool": "zoo.speech.frame_spool",
    "zoo.speech.invariance": "zoo.speech.augmentation_invariance",
    "zoo.speech.f0.Autocorrelation": "zoo.speech.f0_autocorrelation.Autocorrelation",
    "zoo.speech.f0.Centred": "zoo.speech.f0_normalization.CenteredF0",
    "zoo.speech.f0.CenteredF0": "zoo.speech.f0_normalization.CenteredF0",
    "zoo.speech.f0.FCPE": "zoo.speech.f0_fcpe.FCPE",
    "zoo.speech.pitch_vqvae.PitchEncoder": "zoo.speech.pitch_networks.PitchEncoder",
    "zoo.speech.pitch_vqvae.PitchDecoder": "zoo.speech.pitch_networks.PitchDecoder",
    "zoo.speech.pitch_vqvae.EMACodebook": "zoo.speech.vector_quantizer.EMACodebook",
    "zoo.vocoder.streams": "zoo.vocoder.unit_inputs",
    "zoo.vocoder.source": "zoo.vocoder.harmonic_source",
    "zoo.vocoder.heard": "zoo.vocoder.unit_consistency",
    "zoo.vocoder.pretrained": "zoo.interop.vocoder_checkpoints",
    "zoo.vocoder.duration": "zoo.vocoder.duration_predictor",
    "zoo.vocoder.incremental": "zoo.vocoder.streaming",
    "zoo.language.constraint": "zoo.language.modality_constraint",
    "zoo.language.pieces": "zoo.language.new_text_tokens",
    "zoo.language.positions": "zoo.language.document_positions",
    "zoo.language.rows": "zoo.language.embedding_initializers",
    "zoo.language.streaming": "zoo.language.token_streaming",
    "zoo.metrics.likelihood": "zoo.metrics.modality_loss",
    "lightningmodules.vocoder_losses": "lightningmodules.vocoder_loss_weights",
    "zoo.metrics.f0_of_speech": "zoo.metrics.f0_from_waveforms",
    "zoo.metrics.phones": "zoo.metrics.phone_information",
    "zoo.evaluation.suites": "zoo.evaluation.suites.contrast_suite",
    "zoo.evaluation.pairs": "zoo.evaluation.suites.speech_text_pairs",
    "zoo.evaluation.readers": "zoo.evaluation.suites.suite_converters",
    "zoo.evaluation.templates": "zoo.evaluation.suites.prompt_templates",
    "zoo.evaluation.likelihood": "zoo.evaluation.scoring.likelihood",
    "zoo.evaluation.token_trees": "zoo.evaluation.scoring.token_trees",
    "zoo.evaluation.blocked_attention": "zoo.evaluation.scoring.blocked_attention",
    "zoo.evaluation.contrast": "zoo.evaluation.scoring.contrast",
    "zoo.evaluation.bits": "zoo.evaluation.scoring.bits",
    "zoo.evaluation.baselines": "zoo.evaluation.scoring.unigram_baseline",
    "zoo.evaluation.alignment": "zoo.evaluation.representation_alignment",
    "zoo.evaluation.decoding": "zoo.evaluation.generation.continuations",
    "zoo.evaluation.few_shot": "zoo.evaluation.generation.few_shot",
    "zoo.evaluation.preservation": "zoo.evaluation.generation.sentiment_preservation",
    "zoo.evaluation.sentiment": "zoo.evaluation.generation.official_stsp",
    "zoo.evaluation.toxic_continuations": "zoo.evaluation.generation.toxic_continuations",
    "zoo.evaluation.transcription": "zoo.evaluation.generation.transcription",
    "zoo.evaluation.judges.PretrainedTranscriber": "zoo.evaluation.judges.recognizers.PretrainedRecognizer",
    "zoo.evaluation.judges": "zoo.evaluation.judges.classifiers",
    "zoo.evaluation.toxicity": "zoo.evaluation.judges.toxicity",
    "zoo.evaluation.intervals": "zoo.evaluation.statistics",
    "zoo.evaluation.fit": "zoo.evaluation.tokenizer_check",
    "zoo.evaluation.robustness": "zoo.evaluation.unit_robustness",
    "zoo.evaluation.vocoding": "zoo.evaluation.resynthesis",
    "zoo.evaluation.prosody": "zoo.evaluation.pitch_and_style",
    "zoo.evaluation.remember": "zoo.evaluation.result_cache",
    "zoo.evaluation.tokenizer_report.unseen": "zoo.comparison.unseen_speakers",
    "zoo.evaluation.tokenizer_report.html": "zoo.comparison.html_report",
    "zoo.evaluation.tokenizer_report.pictures": "zoo.comparison.plots",
    "zoo.evaluation.tokenizer_report.language": "zoo.comparison.language_models",
    "zoo.evaluation.tokenizer_report.joint": "zoo.evaluation.statistics",
    "zoo.evaluation.tokenizer_report.measure": "zoo.comparison.tokenizer_measures",
    "zoo.evaluation.tokenizer_report.phones": "zoo.comparison.phone_purity",
    "zoo.evaluation.tokenizer_report": "zoo.comparison",
    "zoo.evaluation.generation.stsp": "zoo.evaluation.generation.official_stsp",
    "datamodules.speech": "datamodules.waveforms",
    "datamodules.speech_batches": "datamodules.waveform_batches",
    "lightningmodules.initial": "lightningmodules.reinitialize",
    "lightningmodules.style": "lightningmodules.style_encoder",
    "recipes.stages.compare": "recipes.stages.comparison",
    "recipes.stages.compare_report": "recipes.stages.comparison_report",
    "recipes.stages.compare_unseen": "recipes.stages.unseen_speakers",
    "recipes.stages.variants": "recipes.stages.tokenizer_variants",
}

# Classes, functions and class methods, in whatever module.
NAMES = {
    "Centred": "CenteredF0",
    "ColouredNoise": "ColoredNoise",
    "HeardUnits": "UnitConsistencyLoss",
    "PretrainedTranscriber": "PretrainedRecognizer",
    "RowInitialiser": "EmbeddingInitializer",
    "SpeakersLeftOut": "SpeakerFold",
    "UnitGenerator": "HiFiGANGenerator",
    "check_fit": "check_tokenizer",
    "corpus_or": "open_corpus_or_demo",
    "pieces_of": "new_text_tokens",
    "attending": "with_attention",
    "pretrained": "from_checkpoint",
    "pretrained_once": "from_checkpoint_once",
    "tokenise_corpus": "tokenize_corpus",
    "tokenise_texts": "tokenize_texts",
    "train_variants": "train_tokenizer_variants",
    "trained": "from_run",
}

# Arguments, of whatever class or function has the new one.
ARGUMENTS = {
    "also_rows": "text_rows",
    "evenness": "variance_normalization",
    "fit": "tokenizer_check",
    "further_losses": "further",
    "listen": "num_examples",
    "measures": "metrics",
    "mood_words": "sentiment_words",
    "moods": "sentiment",
    "num_validation": "num_utterances",
    "part": "fold",
    "parts": "num_folds",
    "rows": "initializer",
    "smoothing_seconds": "delta_seconds",
    "switch_price": "switch_penalty",
    "unseen": "unseen_split",
    "whole": "from_start",
}

# Paths in the recipes of this package, as the command line and `set` take them. A recipe with both keeps both.
PATHS = {
    "base_steps": "base_trainer.max_steps",
    "batch_size": "data.batch_size",
    "encoder": "network",
    "judge_source": "judge_corpus",
    "max_steps": "trainer.max_steps",
    "num_units": "num_style_units",
    "quantizer": "network",
    "sequence_length": "data.sequence_length",
    "source": "corpus",
    "source.hours": "demo.hours",
    "stages.base": "stages.base_lm",
    "stages.corpus.source": "demo",
    "stages.expressive": "stages.expressive_lm",
    "stages.fit": "stages.tokenizer_check",
    "stages.language_model.data": "data",
    "stages.language_model.model": "model",
    "stages.language_model.trainer": "trainer",
    "stages.language_models": "stages.measure_language_models",
    "stages.part": "stages.fold_corpus",
    "stages.resynthesis": "stages.measure_resynthesis",
    "stages.resynthesis_unseen": "stages.measure_resynthesis_unseen",
    "stages.units": "stages.measure_tokenizers",
    "stages.unseen": "stages.measure_unseen_speakers",
    "stages.vocoder.data": "vocoder_data",
    "stages.vocoder.model": "vocoder",
    "stages.vocoder.trainer": "vocoder_trainer",
    "stages.without_interleaving": "stages.base_lm_without_interleaving",
    "steps": "trainer.max_steps",
    "steps.judge": "judge_trainer.max_steps",
    "steps.language_model": "trainer.max_steps",
    "steps.pitch": "pitch_trainer.max_steps",
    "steps.style": "style_trainer.max_steps",
    "steps.vocoder": "vocoder_trainer.max_steps",
    "vocoder": "checkpoint",
}


def renamed_target(path: str) -> str | None:
    """Return the dotted name that ``path`` has today; None where it is not known to have changed."""
    *modules, last = _successor(path, MODULES).split(".")
    is_method = bool(modules) and modules[-1][:1].isupper()
    if is_method:
        modules[-1] = NAMES.get(modules[-1], modules[-1])
    else:
        last = NAMES.get(last, last)
    renamed = ".".join([*modules, last])
    return renamed if renamed != path else None


def renamed_argument(target: str, name: str, known: Mapping[str, Argument]) -> str | None:
    """Say where the argument ``name`` of a target has gone: to another name, or into a group of arguments.

    Args:
        target: The dotted name of the class or function.
        name: The argument that it does not have.
        known: Those that it has.
    """
    new = ARGUMENTS.get(name, name)
    if new in known:
        return f"it is called {new!r} now"
    for group, argument in known.items():
        kind = _dataclass_of(argument.hint)
        if kind is None:
            continue
        for candidate in (new, name):
            if candidate in signature(kind).arguments:
                return f"it is in a group of arguments, {kind.__name__}: {group}.{candidate}"
    return None


def renamed_path(path: str, content: Any) -> str | None:
    """Say which path of a recipe's content has taken the place of ``path``; None where that is not known."""
    new = _successor(path, PATHS)
    if new == path or not _is_there(new, content):
        return None
    return f"it is {new!r} now"


def _successor(path: str, table: Mapping[str, str]) -> str:
    """Return ``path`` with the longest part at its beginning that is in the table replaced."""
    keys = path.split(".")
    for count in range(len(keys), 0, -1):
        old = ".".join(keys[:count])
        if old in table:
            return ".".join([table[old], *keys[count:]])
    return path


def _is_there(path: str, content: Any) -> bool:
    for key in path.split("."):
        if not isinstance(content, dict) or key not in content:
            return False
        content = content[key]
    return True


def _dataclass_of(hint: Any) -> type | None:
    """Return the dataclass that an argument wants, or may want beside None."""
    for kind in typing.get_args(hint) or (hint,):
        if inspect.isclass(kind) and is_dataclass(kind):
            return kind
    return None

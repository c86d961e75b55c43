"""The parts that a recipe may name as ``_target_`` without being trusted: classes and builders made to be named.

None of them writes a file, deletes one or runs a program when it is called; only stages write, each into its own
folder. A new part is added here when it is made to be named in recipes.
"""

PROJECT = ("zoo", "datamodules", "lightningmodules", "recipes")
LIBRARIES = ("lightning", "torch", "torchaudio", "torchmetrics", "transformers")

STAGES = {
    "recipes.stages.adaptation": ("check_tokenizer", "compare_languages"),
    "recipes.stages.alignment": ("align_corpus",),
    "recipes.stages.comparison": (
        "measure_tokenizers",
        "measure_resynthesis",
        "measure_language_models",
        "measure_pairs",
    ),
    "recipes.stages.comparison_report": ("write_comparison",),
    "recipes.stages.corpus": ("prepare_corpus",),
    "recipes.stages.evaluation": ("evaluate_cloze", "evaluate_pairs"),
    "recipes.stages.prosody": ("extract_f0", "train_pitch", "train_style", "cluster_style"),
    "recipes.stages.report": ("write_report",),
    "recipes.stages.samples": ("make_samples",),
    "recipes.stages.supervised_units": ("store_features", "train_supervised_units", "compare_transcripts"),
    "recipes.stages.texts": ("tokenize_texts",),
    "recipes.stages.tokenizer": ("train_base_tokenizer", "assemble_tokenizer", "build_vocabulary"),
    "recipes.stages.tokenizer_variants": ("train_tokenizer_variants",),
    "recipes.stages.tokens": ("tokenize_corpus",),
    "recipes.stages.training": ("train_language_model", "save_network", "train_vocoder"),
    "recipes.stages.units": ("pretrain_hubert", "train_ctc_quantizer", "evaluate_units"),
    "recipes.stages.unseen_speakers": ("measure_unseen_speakers",),
    "recipes.stages.vocoder_comparison": ("compare_vocoders",),
    "recipes.stages.vocoder_report": ("report_vocoders",),
}

PARTS = {
    "datamodules.f0": ("F0DataModule",),
    "datamodules.language_model": (
        "MixtureDataModule",
        "TextDataModule",
        "SpeechDataModule",
        "InterleavedDataModule",
    ),
    "datamodules.style": ("StyleDataModule",),
    "datamodules.token_streams": (
        "TextStream",
        "SpeechStream",
        "WordTranscriptionStream",
        "SpeechThenTextStream",
        "TextThenSpeechStream",
        "InterleavedStream",
    ),
    "datamodules.transcribed_features": ("TranscribedFeaturesDataModule",),
    "datamodules.vocoder": ("HeldOutUtterances", "VocoderDataModule"),
    "datamodules.waveforms": (
        "DurationBuckets",
        "WaveformDataModule",
        "AugmentedDataModule",
    ),
    "lightningmodules.callbacks": ("SpeechSamples",),
    "lightningmodules.ctc_quantizer": ("QuantizerLosses", "AugmentationInvariantQuantizer"),
    "lightningmodules.hubert": ("MaskedPrediction", "HubertPretraining"),
    "lightningmodules.language_model": ("SpeechTextLM",),
    "lightningmodules.starting_point": ("StartingPoint",),
    "lightningmodules.optimizers": ("GANOptimizer",),
    "lightningmodules.pitch_vqvae": ("PitchAutoencoder",),
    "lightningmodules.speech_judgments": ("SpeechJudgments",),
    "lightningmodules.style_encoder": ("StyleFinetuning",),
    "lightningmodules.supervised_units": ("BottleneckFitting", "SupervisedUnits"),
    "lightningmodules.vocoder": ("UnitVocoder",),
    "lightningmodules.vocoder_loss_weights": ("VocoderLosses",),
    "recipes.stages.tokenizer_variants": (
        "PhoneticTraining",
        "PitchTraining",
        "StyleTraining",
    ),
    "zoo.comparison.held_out_pairs": ("PairVariant",),
    "zoo.comparison.language_models": ("LanguageModelVariant", "EvaluationSuites"),
    "zoo.comparison.transcript_probe": ("ProbeTraining",),
    "zoo.corpora.demo_corpus": ("DemoCorpus",),
    "zoo.corpora.fairseq": ("FairseqCorpus",),
    "zoo.corpora.folder_corpus": ("FolderCorpus",),
    "zoo.corpora.format_detection": (
        "open_corpus",
        "open_corpus_or_demo",
    ),
    "zoo.corpora.kaldi": ("KaldiCorpus",),
    "zoo.corpora.lhotse_corpus": ("LhotseCorpus", "LhotseRecipe"),
    "zoo.corpora.librispeech": ("LibriSpeechCorpus",),
    "zoo.corpora.speaker_folds": ("SpeakerFold",),
    "zoo.corpora.table_corpus": ("TableCorpus",),
    "zoo.corpora.text_sources": ("TextFiles", "HuggingFaceTexts", "texts_or_transcripts"),
    "zoo.corpora.vctk": ("VctkCorpus",),
    "zoo.evaluation.adaptation": ("LanguageData",),
    "zoo.evaluation.judges.mos": ("DNSMOS", "PLCMOS"),
    "zoo.evaluation.judges.recognizers": ("Decoding", "PretrainedRecognizer"),
    "zoo.evaluation.judges.speakers": ("Resemblyzer", "XVectors"),
    "zoo.evaluation.judges.speech_judges": ("SpeechJudges", "installed_judges"),
    "zoo.forced_alignment.aligned_corpus": ("Aligned",),
    "zoo.forced_alignment.ctc": (
        "mms_aligner",
        "pretrained_ctc_aligner",
    ),
    "zoo.forced_alignment.phones": ("PocketsphinxAligner",),
    "zoo.forced_alignment.whisper": ("WhisperAligner",),
    "zoo.hardware": ("precision",),
    "zoo.interop.vocoder_checkpoints": (
        "generator",
        "generator_for_other_units",
        "durations",
    ),
    "zoo.language.adapters": ("lora", "new_rows_only"),
    "zoo.language.embedding_initializers": ("NormalRows", "MatchedRows"),
    "zoo.language.losses": ("NextTokenLoss",),
    "zoo.language.networks": (
        "llama",
        "from_checkpoint",
        "from_run",
        "random_like",
        "quantized",
        "checkpointed",
        "compiled",
    ),
    "zoo.language.new_text_tokens": ("new_text_tokens",),
    "zoo.language.calibrated_rows": ("CalibratedRows",),
    "zoo.language.document_positions": ("RowPositions", "DocumentPositions"),
    "zoo.language.sharding": ("from_checkpoint_once",),
    "zoo.metrics.f0": (
        "F0FrameError",
        "LogF0Error",
    ),
    "zoo.metrics.f0_from_waveforms": ("F0Errors",),
    "zoo.metrics.modality_loss": ("ModalityLoss",),
    "zoo.metrics.mel_distance": ("MelDistance",),
    "zoo.metrics.phone_information": ("PhoneInformation",),
    "zoo.metrics.speech_quality": (
        "PESQ",
        "STOI",
        "InstalledQuality",
    ),
    "zoo.metrics.unit_edit_distance": ("UnitEditDistance",),
    "zoo.metrics.unit_perplexity": ("UnitPerplexity",),
    "zoo.speech.augmentation": (
        "Unchanged",
        "TimeStretch",
        "PitchShift",
        "ColoredNoise",
        "SyntheticRooms",
        "AudioFiles",
        "Noise",
        "Reverberation",
        "OneOf",
        "Chain",
    ),
    "zoo.speech.bottleneck": ("VectorQuantizer",),
    "zoo.speech.context_layers": ("TransformerLayers", "ConvolutionLayers", "checkpoint_layers"),
    "zoo.speech.ctc_quantizer": ("CTCQuantizer", "ContextCTCQuantizer"),
    "zoo.speech.encoders.families": ("pretrained_encoder",),
    "zoo.speech.encoders.filterbank": ("FilterbankEncoder",),
    "zoo.speech.encoders.hubert": ("HubertEncoder",),
    "zoo.speech.encoders.pooled": ("PooledEncoder",),
    "zoo.speech.encoders.w2v_bert": ("W2vBertEncoder",),
    "zoo.speech.encoders.whisper": ("WhisperEncoder",),
    "zoo.speech.f0_normalization": ("CenteredF0",),
    "zoo.speech.f0_autocorrelation": ("Autocorrelation", "NormalizedAutocorrelation"),
    "zoo.speech.f0_fcpe": ("FCPE",),
    "zoo.speech.finite_scalar_quantizer": ("FiniteScalarQuantizer",),
    "zoo.speech.hubert_pretraining": ("hubert",),
    "zoo.speech.kmeans": ("KMeans",),
    "zoo.speech.phonetic_units": (
        "PhoneticUnits",
        "PhoneticUnits.load",
    ),
    "zoo.speech.pitch_networks": (
        "PitchEncoder",
        "PitchDecoder",
        "ResidualOptions",
    ),
    "zoo.speech.pitch_units": (
        "PitchUnits",
        "PitchUnits.load",
    ),
    "zoo.speech.pitch_vqvae": ("PitchVQVAE",),
    "zoo.speech.style_encoders": (
        "TransformerStyleEncoder",
        "TransformerStyleEncoder.from_pretrained",
        "TransformerStyleEncoder.untrained",
        "ProsodyStyleEncoder",
        "TransformerStyleEncoder.load",
        "ProsodyStyleEncoder.load",
    ),
    "zoo.speech.style_units": (
        "StyleClassifier",
        "StyleClusters",
        "StyleUnits",
        "StyleUnits.load",
    ),
    "zoo.speech.supervised_units": ("SupervisedQuantizer", "ReadingHead"),
    "zoo.speech.transcript_labels": ("Characters", "Characters.load", "TextPieces"),
    "zoo.speech.vector_quantizer": ("EMACodebook",),
    "zoo.speech.vtln": ("VTLNFilterbankEncoder",),
    "zoo.tokenizers.engines": ("LocalProcesses", "OneDevice"),
    "zoo.tokenizers.ray_engine": ("RayEngine",),
    "zoo.tokenizers.speech_tokenizer": (
        "UnitTokenizer",
        "Base",
        "Expressive",
        "load_tokenizer",
    ),
    "zoo.tokens.interleave": (
        "UniformSpans",
        "PoissonSpans",
        "BinomialSpans",
        "TimedSpans",
    ),
    "zoo.tokens.sentencepiece_tokenizer": ("SentencePieceText.load",),
    "zoo.tokens.text_tokenizer": ("TextTokenizer.load",),
    "zoo.tokens.vocabulary": ("Vocabulary.load",),
    "zoo.vocoder.discriminators": (
        "Discriminators",
        "MultiPeriodDiscriminator",
        "MultiScaleDiscriminator",
    ),
    "zoo.vocoder.duration_predictor": ("DurationPredictor",),
    "zoo.vocoder.hifigan": ("HiFiGANSizes", "HiFiGANGenerator"),
    "zoo.vocoder.istft": ("ConvNeXtSizes", "ISTFTGenerator"),
    "zoo.vocoder.unit_consistency": ("UnitConsistencyLoss",),
    "zoo.vocoder.vocoder": ("Vocoder.load",),
}

# Classes anywhere below these modules of the libraries. Their methods may not be named: checkpoints are read by parts
# of this project, which never run code or unpickle.
LIBRARY_CLASSES = (
    "lightning.pytorch.callbacks",
    "lightning.pytorch.loggers",
    "lightning.pytorch.plugins.precision",
    "lightning.pytorch.profilers",
    "lightning.pytorch.strategies",
    "lightning.pytorch.trainer.trainer.Trainer",
    "torch.nn",
    "torch.optim",
    "torchaudio.transforms",
    "torchmetrics",
    "transformers.models",
)
LIBRARY_FUNCTIONS = ("transformers.optimization",)

# Arguments of the libraries' trainers, callbacks and loggers that name a folder to write to, and names of files in one.
WRITTEN_FOLDERS = ("default_root_dir", "dirpath", "log_dir", "root_dir", "save_dir")
WRITTEN_NAMES = ("filename", "name", "prefix", "sub_dir", "version")


def is_stage(home: str) -> bool:
    """Whether a dotted name is a stage: the only parts that write, and only named directly below ``stages``."""
    module, _, name = home.rpartition(".")
    return name in STAGES.get(module, ())


def is_public_part(home: str) -> bool:
    """Whether a part of this project may be named in any recipe.

    Args:
        home: Module where it is written, and qualified name, such as ``zoo.tokens.vocabulary.Vocabulary.load``.
    """
    if is_stage(home):
        return True
    keys = home.split(".")
    return any(".".join(keys[depth:]) in PARTS.get(".".join(keys[:depth]), ()) for depth in range(1, len(keys)))


def public_names() -> list[str]:
    """Names of all public parts, without their modules."""
    listed = [*STAGES.values(), *PARTS.values()]
    return sorted({name for names in listed for name in names})

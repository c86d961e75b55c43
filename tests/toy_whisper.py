"""Tiny Whispers with random weights: a recognizer, and one that is given the transcript."""

import json
from pathlib import Path

import torch
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers
from transformers import (
    GenerationConfig,
    PreTrainedTokenizerFast,
    WhisperConfig,
    WhisperFeatureExtractor,
    WhisperForConditionalGeneration,
    WhisperProcessor,
    WhisperTokenizerFast,
)

SPECIAL = [
    *("<|endoftext|>", "<|startoftranscript|>", "<|en|>", "<|de|>", "<|translate|>", "<|transcribe|>"),
    *("<|startofprev|>", "<|notimestamps|>"),
]

ALIGNER_SPECIAL = ("<|endoftext|>", "<|startoftranscript|>", "<|en|>", "<|zh|>", "<|transcribe|>", "<|notimestamps|>")


def bytes_backend() -> Tokenizer:
    """A tokenizer of single bytes."""
    letters = {letter: number for number, letter in enumerate(sorted(pre_tokenizers.ByteLevel.alphabet()))}
    backend = Tokenizer(models.BPE(vocab=letters, merges=[]))
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    return backend


def tiny_config(end: int, start: int, **changes: object) -> WhisperConfig:
    """A configuration of width 16 with the ids of the end and start tokens."""
    sizes = {"d_model": 16, "encoder_layers": 1, "encoder_attention_heads": 2, "decoder_attention_heads": 2}
    sizes |= {"encoder_ffn_dim": 16, "decoder_ffn_dim": 16}
    ids = {"pad_token_id": end, "bos_token_id": end, "eos_token_id": end, "decoder_start_token_id": start}
    return WhisperConfig(**sizes, **ids, **changes)


def write_whisper(folder: Path, multilingual: bool = True) -> Path:
    """Write a checkpoint that transformers loads as Whisper; its transcripts are random words."""
    backend = bytes_backend()
    backend.decoder = decoders.ByteLevel()
    backend.add_special_tokens([AddedToken(token, special=True) for token in SPECIAL])
    backend.add_tokens([AddedToken(f"<|{step * 0.02:.2f}|>", special=True) for step in range(1501)])
    tokenizer = WhisperTokenizerFast(
        tokenizer_object=backend, bos_token=SPECIAL[0], eos_token=SPECIAL[0], unk_token=SPECIAL[0]
    )
    ids = {token: tokenizer.convert_tokens_to_ids(token) for token in SPECIAL}
    torch.manual_seed(0)
    config = tiny_config(
        ids["<|endoftext|>"],
        ids["<|startoftranscript|>"],
        vocab_size=len(tokenizer),
        num_mel_bins=80,
        decoder_layers=1,
        max_target_positions=32,
    )
    model = WhisperForConditionalGeneration(config)
    model.generation_config = GenerationConfig(
        is_multilingual=multilingual,
        lang_to_id={token: ids[token] for token in ("<|en|>", "<|de|>")} if multilingual else None,
        task_to_id={"translate": ids["<|translate|>"], "transcribe": ids["<|transcribe|>"]} if multilingual else None,
        no_timestamps_token_id=ids["<|notimestamps|>"],
        prev_sot_token_id=ids["<|startofprev|>"],
        max_initial_timestamp_index=50,
        max_length=24,
        eos_token_id=ids["<|endoftext|>"],
        pad_token_id=ids["<|endoftext|>"],
        decoder_start_token_id=ids["<|startoftranscript|>"],
    )
    model.save_pretrained(folder)
    WhisperProcessor(WhisperFeatureExtractor(80), tokenizer).save_pretrained(folder)
    return folder


def write_aligning_whisper(folder: Path, seed: int = 0, heads: list[list[int]] | None = None) -> Path:
    """Write a transformers checkpoint whose window is 2 seconds and whose decoder takes 40 tokens."""
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=bytes_backend(),
        eos_token=ALIGNER_SPECIAL[0],
        unk_token=ALIGNER_SPECIAL[0],
        additional_special_tokens=list(ALIGNER_SPECIAL[1:]),
    )
    tokenizer.save_pretrained(folder)
    WhisperFeatureExtractor(feature_size=16, chunk_length=2).save_pretrained(folder)
    torch.manual_seed(seed)
    config = tiny_config(
        tokenizer.eos_token_id,
        tokenizer.convert_tokens_to_ids(ALIGNER_SPECIAL[1]),
        vocab_size=len(tokenizer),
        num_mel_bins=16,
        decoder_layers=2,
        max_source_positions=100,
        max_target_positions=40,
        suppress_tokens=[],
        begin_suppress_tokens=[],
    )
    WhisperForConditionalGeneration(config).save_pretrained(folder)
    generation = {"is_multilingual": True} | ({} if heads is None else {"alignment_heads": heads})
    (folder / "generation_config.json").write_text(json.dumps(generation))
    return folder

"""A tiny random Whisper with a tokenizer of bytes."""

import json
from pathlib import Path

import torch
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import (
    PreTrainedTokenizerFast,
    WhisperConfig,
    WhisperFeatureExtractor,
    WhisperForConditionalGeneration,
)

SPECIAL = ("<|endoftext|>", "<|startoftranscript|>", "<|en|>", "<|zh|>", "<|transcribe|>", "<|notimestamps|>")


def write_whisper(folder: Path, seed: int = 0, heads: list[list[int]] | None = None) -> Path:
    """Write a transformers checkpoint whose window is 2 seconds and whose decoder takes 40 tokens."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    letters = {letter: index for index, letter in enumerate(alphabet)}
    backend = Tokenizer(models.BPE(vocab=letters, merges=[]))
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=backend,
        eos_token=SPECIAL[0],
        unk_token=SPECIAL[0],
        additional_special_tokens=list(SPECIAL[1:]),
    )
    tokenizer.save_pretrained(folder)
    WhisperFeatureExtractor(feature_size=16, chunk_length=2).save_pretrained(folder)
    torch.manual_seed(seed)
    network = WhisperForConditionalGeneration(
        WhisperConfig(
            vocab_size=len(tokenizer),
            num_mel_bins=16,
            d_model=16,
            encoder_layers=1,
            decoder_layers=2,
            encoder_attention_heads=2,
            decoder_attention_heads=2,
            encoder_ffn_dim=16,
            decoder_ffn_dim=16,
            max_source_positions=100,
            max_target_positions=40,
            decoder_start_token_id=tokenizer.convert_tokens_to_ids(SPECIAL[1]),
            eos_token_id=tokenizer.eos_token_id,
            pad_token_id=tokenizer.eos_token_id,
            bos_token_id=tokenizer.eos_token_id,
            suppress_tokens=[],
            begin_suppress_tokens=[],
        )
    )
    network.save_pretrained(folder)
    generation = {"is_multilingual": True} | ({} if heads is None else {"alignment_heads": heads})
    (folder / "generation_config.json").write_text(json.dumps(generation))
    return folder

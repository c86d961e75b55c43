"""Tiny random text models of the families that people start from, each with a tokenizer of its family's kind."""

import json
from pathlib import Path

import torch
from tokenizers import (
    AddedToken,
    Regex,
    Tokenizer,
    decoders,
    models,
    normalizers,
    pre_tokenizers,
    processors,
    trainers,
)
from transformers import (
    AutoModelForCausalLM,
    BloomConfig,
    GemmaConfig,
    GPT2Config,
    GPTNeoXConfig,
    LlamaConfig,
    MistralConfig,
    OPTConfig,
    PhiConfig,
    PretrainedConfig,
    Qwen2Config,
    Qwen3Config,
)

SENTENCES = [
    "anna said hello to ben, and ben said goodbye",
    "it's 2.5%, isn't it? we don't know; you'll see 1,234 of them",
    "def mean(values): return sum(values) / len(values)",
    "zażółć gęślą jaźń, über naïve café",
    "日本語 の テキスト 🙂",
]
QWEN_WORDS = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
SPACE = "\u2581"
ROTARY = {
    "hidden_size": 16,
    "intermediate_size": 24,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "max_position_embeddings": 64,
}
GROUPED = ROTARY | {"num_key_value_heads": 1}


def byte_level(qwen: bool = False, add_prefix_space: bool = False) -> Tokenizer:
    """Byte-level BPE with the words of GPT-2 or of Qwen."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=add_prefix_space)
    if qwen:
        tokenizer.normalizer = normalizers.NFC()
        tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
            [
                pre_tokenizers.Split(Regex(QWEN_WORDS), "isolated"),
                pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
            ]
        )
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=310, show_progress=False, initial_alphabet=alphabet)
    tokenizer.train_from_iterator(SENTENCES, trainer)
    return tokenizer


def sentencepiece(special: list[str], prefix: bool = True, unigram: bool = False) -> Tokenizer:
    """What transformers makes of a SentencePiece model: a symbol for spaces, and bytes for unknown characters."""
    pieces = special + [f"<0x{byte:02X}>" for byte in range(256)]
    trained = Tokenizer(models.Unigram() if unigram else models.BPE(unk_token="<unk>"))
    trained.pre_tokenizer = pre_tokenizers.Metaspace(SPACE, "always", split=True)
    common = {"vocab_size": len(pieces) + 60, "special_tokens": pieces, "show_progress": False}
    trainer = trainers.UnigramTrainer(unk_token="<unk>", **common) if unigram else trainers.BpeTrainer(**common)
    trained.train_from_iterator(SENTENCES[:3], trainer)
    model = json.loads(trained.to_str())["model"]
    if unigram:
        vocab = [(piece, score) for piece, score in model["vocab"]]
        tokenizer = Tokenizer(models.Unigram(vocab, special.index("<unk>"), byte_fallback=True))
    else:
        merges = [tuple(merge) for merge in model["merges"]]
        tokenizer = Tokenizer(models.BPE(model["vocab"], merges, unk_token="<unk>", fuse_unk=True, byte_fallback=True))
    spaces = normalizers.Replace(" ", SPACE)
    steps = [decoders.Replace(SPACE, " "), decoders.ByteFallback(), decoders.Fuse()]
    if prefix:
        tokenizer.normalizer = normalizers.Sequence([normalizers.Prepend(SPACE), spaces])
        steps.append(decoders.Strip(" ", 1, 0))
    else:
        tokenizer.normalizer = spaces
        tokenizer.pre_tokenizer = pre_tokenizers.Split(" ", "merged_with_previous")
    tokenizer.decoder = decoders.Sequence(steps)
    tokenizer.add_special_tokens(special)
    return tokenizer


def with_begin(tokenizer: Tokenizer, begin: str) -> Tokenizer:
    special = [(begin, tokenizer.token_to_id(begin))]
    tokenizer.post_processor = processors.TemplateProcessing(single=f"{begin} $A", special_tokens=special)
    return tokenizer


def save_tokenizer(folder: Path, tokenizer: Tokenizer, **config: object) -> None:
    """Write the two files that a checkpoint has."""
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer.save(str(folder / "tokenizer.json"))
    (folder / "tokenizer_config.json").write_text(json.dumps(config))


def qwen_tokenizer(folder: Path) -> None:
    tokenizer = byte_level(qwen=True)
    tokenizer.add_special_tokens(["<|endoftext|>", "<|im_start|>", "<|im_end|>"])
    tokenizer.add_tokens([AddedToken("<tool_call>", normalized=False), AddedToken("<|fim_pad|>", normalized=False)])
    end = "<|endoftext|>"
    save_tokenizer(
        folder,
        tokenizer,
        tokenizer_class="Qwen2Tokenizer",
        eos_token=end,
        pad_token=end,
        bos_token=None,
        unk_token=None,
        add_prefix_space=False,
        additional_special_tokens=["<|im_start|>", "<|im_end|>"],
    )


def gpt2_tokenizer(folder: Path, begin: str = "<|endoftext|>", end: str = "<|endoftext|>", **config: object) -> None:
    tokenizer = byte_level()
    tokenizer.add_special_tokens(list(dict.fromkeys([begin, end])))
    names = {"bos_token": begin, "eos_token": end, "unk_token": end, "add_prefix_space": False}
    save_tokenizer(folder, tokenizer, **{"tokenizer_class": "GPT2Tokenizer", **names, **config})


def opt_tokenizer(folder: Path) -> None:
    gpt2_tokenizer(folder, begin="</s>", end="</s>")


def prefix_space_tokenizer(folder: Path) -> None:
    tokenizer = byte_level(add_prefix_space=True)
    tokenizer.add_special_tokens(["<|endoftext|>"])
    end = "<|endoftext|>"
    save_tokenizer(
        folder, tokenizer, tokenizer_class="GPT2Tokenizer", bos_token=end, eos_token=end, add_prefix_space=True
    )


def neox_tokenizer(folder: Path) -> None:
    tokenizer = byte_level()
    tokenizer.normalizer = normalizers.NFC()
    tokenizer.add_special_tokens(["<|endoftext|>", "<|padding|>"])
    tokenizer.add_tokens([AddedToken(" " * count, normalized=True) for count in (24, 8, 3, 2)])
    end = "<|endoftext|>"
    save_tokenizer(
        folder,
        tokenizer,
        tokenizer_class="GPTNeoXTokenizer",
        bos_token=end,
        eos_token=end,
        unk_token=end,
        add_prefix_space=False,
    )


def phi_tokenizer(folder: Path) -> None:
    tokenizer = byte_level()
    tokenizer.add_special_tokens(["<|endoftext|>"])
    tokenizer.add_tokens([AddedToken("  ", normalized=False), AddedToken("\t\t", normalized=False)])
    end = "<|endoftext|>"
    save_tokenizer(folder, tokenizer, tokenizer_class="CodeGenTokenizer", bos_token=end, eos_token=end, unk_token=end)


def llama3_tokenizer(folder: Path) -> None:
    tokenizer = byte_level(qwen=True)
    tokenizer.add_special_tokens(["<|begin_of_text|>", "<|end_of_text|>", "<|eot_id|>"])
    save_tokenizer(
        folder,
        with_begin(tokenizer, "<|begin_of_text|>"),
        tokenizer_class="PreTrainedTokenizerFast",
        bos_token="<|begin_of_text|>",
        eos_token="<|end_of_text|>",
    )


def llama2_tokenizer(folder: Path, tokenizer_class: str = "LlamaTokenizer", unigram: bool = False) -> None:
    save_tokenizer(
        folder,
        with_begin(sentencepiece(["<unk>", "<s>", "</s>"], unigram=unigram), "<s>"),
        tokenizer_class=tokenizer_class,
        bos_token="<s>",
        eos_token="</s>",
        unk_token="<unk>",
        add_bos_token=True,
        add_eos_token=False,
        legacy=False,
    )


def unigram_tokenizer(folder: Path) -> None:
    llama2_tokenizer(folder, "PreTrainedTokenizerFast", unigram=True)


def gemma_tokenizer(folder: Path) -> None:
    tokenizer = sentencepiece(["<pad>", "<eos>", "<bos>", "<unk>", "<mask>"], prefix=False)
    tokenizer.add_special_tokens(["<start_of_turn>"])
    tokenizer.add_tokens([AddedToken(token, normalized=False) for token in ("[multimodal]", "\n\n", SPACE * 2, "<b>")])
    save_tokenizer(
        folder,
        with_begin(tokenizer, "<bos>"),
        tokenizer_class="GemmaTokenizer",
        bos_token="<bos>",
        eos_token="<eos>",
        pad_token="<pad>",
        unk_token="<unk>",
    )


# Name: tokenizer and configuration of a text model.
FAMILIES = {
    "llama2": (llama2_tokenizer, LlamaConfig(**GROUPED, tie_word_embeddings=False, pad_token_id=0)),
    "llama3-tied": (llama3_tokenizer, LlamaConfig(**GROUPED, tie_word_embeddings=True)),
    "smollm-tied": (gpt2_tokenizer, LlamaConfig(**GROUPED, tie_word_embeddings=True)),
    "qwen2": (qwen_tokenizer, Qwen2Config(**GROUPED, tie_word_embeddings=False)),
    "qwen2-tied": (qwen_tokenizer, Qwen2Config(**GROUPED, tie_word_embeddings=True)),
    "qwen3": (qwen_tokenizer, Qwen3Config(**GROUPED, head_dim=8, tie_word_embeddings=False)),
    "mistral": (llama2_tokenizer, MistralConfig(**GROUPED, sliding_window=None, tie_word_embeddings=False)),
    "gemma-tied": (gemma_tokenizer, GemmaConfig(**GROUPED, head_dim=8, pad_token_id=0, tie_word_embeddings=True)),
    "pythia": (neox_tokenizer, GPTNeoXConfig(**ROTARY, tie_word_embeddings=False)),
    "gpt2-tied": (gpt2_tokenizer, GPT2Config(n_embd=16, n_layer=2, n_head=2, n_positions=64)),
    "opt-tied": (
        opt_tokenizer,
        OPTConfig(
            hidden_size=16,
            ffn_dim=24,
            num_hidden_layers=2,
            num_attention_heads=2,
            max_position_embeddings=64,
            word_embed_proj_dim=16,
            pad_token_id=1,
        ),
    ),
    "bloom-tied": (llama3_tokenizer, BloomConfig(hidden_size=16, n_layer=2, n_head=2)),
    "phi": (phi_tokenizer, PhiConfig(**ROTARY, tie_word_embeddings=False)),
}


# Heads that are tied in none of the above, or in all.
OTHER_HEADS = {
    "qwen3-tied": "qwen3",
    "mistral-tied": "mistral",
    "gemma": "gemma-tied",
    "pythia-tied": "pythia",
    "gpt2": "gpt2-tied",
    "opt": "opt-tied",
    "bloom": "bloom-tied",
    "phi-tied": "phi",
}


def write_checkpoint(folder: Path, name: str, seed: int = 0) -> str:
    """Write a random text model of a family, or with its other kind of head, and its tokenizer; return the folder."""
    family = OTHER_HEADS.get(name, name)
    write_tokenizer, config = FAMILIES[family]
    write_tokenizer(folder)
    config = type(config).from_dict(config.to_dict())
    assert isinstance(config, PretrainedConfig)
    config.vocab_size = Tokenizer.from_file(str(folder / "tokenizer.json")).get_vocab_size() + 5
    config.bos_token_id = config.eos_token_id = 2
    config.tie_word_embeddings = name.endswith("-tied")
    torch.manual_seed(seed)
    network = AutoModelForCausalLM.from_config(config)
    for weight in network.get_output_embeddings().parameters():
        weight.data.normal_(0, 0.2)
    network.save_pretrained(folder)
    return str(folder)

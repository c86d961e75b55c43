"""An official language model of other sizes than the fixtures', against a Llama and a greedy loop written out here."""

import io
import json
from functools import partial

import pytest
import sentencepiece
import torch
from sentencepiece import sentencepiece_model_pb2
from torch.nn import functional as F

from zoo.interop.spiritlm.language_model import SpiritLM, import_language_model
from zoo.tokens.contract import read_contract
from zoo.tokens.sentencepiece_tokenizer import SentencePieceText
from zoo.tokens.vocabulary import Vocabulary

SENTENCES = [
    "the cat sat on the mat and the dog ran",
    "a bird in the hand is worth two in the bush",
    "it never rains but it pours",
]
SIZES = {
    "hidden_size": 24,
    "num_hidden_layers": 3,
    "num_attention_heads": 6,
    "num_key_value_heads": 2,
    "intermediate_size": 40,
}
UNITS = {"Hu": 21, "Pi": 5, "St": 4}


def pieces(units):
    """A SentencePiece model with markers and units after its text pieces."""
    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(SENTENCES),
        model_writer=model,
        vocab_size=310,
        model_type="bpe",
        byte_fallback=True,
        minloglevel=9,
    )
    form = sentencepiece_model_pb2.ModelProto.FromString(model.getvalue())
    for symbol in ["[Text]", "[Speech]", *(f"[{prefix}{i}]" for prefix, size in units.items() for i in range(size))]:
        form.pieces.add(piece=symbol, score=0.0, type=4)
    return form.SerializeToString()


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Random weights under the official names."""
    folder = tmp_path_factory.mktemp("spirit-lm")
    draw = torch.Generator().manual_seed(3)
    model = pieces(UNITS)
    (folder / "tokenizer.model").write_bytes(model)
    rows = -(-SentencePieceText(model).pieces.get_piece_size() // 128) * 128
    config = {
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        **SIZES,
        "vocab_size": rows,
        "rms_norm_eps": 1e-5,
        "rope_theta": 50000.0,
        "rope_scaling": None,
        "max_position_embeddings": 256,
        "hidden_act": "silu",
        "tie_word_embeddings": False,
        "bos_token_id": 1,
        "eos_token_id": 2,
        "torch_dtype": "bfloat16",
    }
    (folder / "config.json").write_text(json.dumps(config))

    def normal(*shape):
        return torch.randn(*shape, generator=draw) * 0.3

    width, inner, keys = SIZES["hidden_size"], SIZES["intermediate_size"], 4 * SIZES["num_key_value_heads"]
    state = {
        "model.embed_tokens.weight": normal(rows, width),
        "lm_head.weight": normal(rows, width),
        "model.norm.weight": 1 + normal(width),
    }
    for layer in range(SIZES["num_hidden_layers"]):
        at = f"model.layers.{layer}."
        shapes = {
            "self_attn.q_proj": (width, width),
            "self_attn.k_proj": (keys, width),
            "self_attn.v_proj": (keys, width),
            "self_attn.o_proj": (width, width),
            "mlp.gate_proj": (inner, width),
            "mlp.up_proj": (inner, width),
            "mlp.down_proj": (width, inner),
        }
        state |= {f"{at}{name}.weight": normal(*shape) for name, shape in shapes.items()}
        state |= {f"{at}{name}.weight": 1 + normal(width) for name in ("input_layernorm", "post_attention_layernorm")}
    torch.save(state, folder / "pytorch_model.bin")
    return folder


def slow_logits(state, ids):
    """Llama, one head at a time, without a cache: logits (V,) after the last id."""
    heads, groups = SIZES["num_attention_heads"], SIZES["num_key_value_heads"]
    size = SIZES["hidden_size"] // heads
    angle = torch.arange(len(ids))[:, None] * 50000.0 ** (-torch.arange(0, size, 2) / size)
    cos, sin = torch.cat([angle.cos()] * 2, 1), torch.cat([angle.sin()] * 2, 1)

    def norm(x, weight):
        return x * (x.pow(2).mean(-1, keepdim=True) + 1e-5).rsqrt() * weight

    def rotate(x):
        return x * cos + torch.cat([-x[:, size // 2 :], x[:, : size // 2]], 1) * sin

    def weight_of(layer, name):
        return state[f"model.layers.{layer}.{name}.weight"]

    x = state["model.embed_tokens.weight"][ids]
    for layer in range(SIZES["num_hidden_layers"]):
        weight = partial(weight_of, layer)
        h = norm(x, weight("input_layernorm"))
        q, k, v = (h @ weight(f"self_attn.{name}_proj").T for name in "qkv")
        mixed = []
        for head in range(heads):
            own, shared = (
                slice(head * size, (head + 1) * size),
                slice(head // (heads // groups) * size, (head // (heads // groups) + 1) * size),
            )
            scores = rotate(q[:, own]) @ rotate(k[:, shared]).T / size**0.5
            scores = scores.masked_fill(torch.ones_like(scores).triu(1).bool(), -torch.inf)
            mixed.append(scores.softmax(-1) @ v[:, shared])
        x = x + torch.cat(mixed, 1) @ weight("self_attn.o_proj").T
        h = norm(x, weight("post_attention_layernorm"))
        x = x + (F.silu(h @ weight("mlp.gate_proj").T) * (h @ weight("mlp.up_proj").T)) @ weight("mlp.down_proj").T
    return norm(x[-1], state["model.norm.weight"]) @ state["lm_head.weight"].T


@pytest.mark.parametrize("to", ["TEXT", "SPEECH", "ARBITRARY"])
@pytest.mark.parametrize("prompt", ["[Text]the cat", "[Text]a bird[Speech][St3][Pi1][Hu20][Hu0]", ""])
def test_greedy_ids_are_those_of_a_slow_reference(folder, to, prompt):
    lm, state = SpiritLM.load(folder, dtype=torch.float32), torch.load(folder / "pytorch_model.bin", weights_only=True)
    text = sentencepiece.SentencePieceProcessor(model_file=str(folder / "tokenizer.model"))
    first, used = text.piece_to_id("[Text]"), text.get_piece_size()
    forbidden = {"TEXT": range(first, used), "SPEECH": range(first + 2), "ARBITRARY": range(0)}[to]
    ids = want = [1, *text.encode(prompt)]
    for _ in range(12):
        scores = slow_logits(state, want)
        scores[[i for i in forbidden if i != 2]] = -torch.inf
        scores[used:] = -torch.inf
        want = [*want, int(scores.argmax())]
        if want[-1] == 2:
            break
    assert lm.text.encode_string(prompt) == ids
    assert lm.continue_ids(ids, to, {"max_new_tokens": 12}) == want[len(ids) :]


def test_the_end_is_the_only_text_piece_that_speech_can_stop_with(folder):
    lm = SpiritLM.load(folder, dtype=torch.float32)
    with torch.no_grad():
        lm.network.model.norm.weight.zero_()
        lm.network.lm_head = torch.nn.Linear(24, lm.network.config.vocab_size)
        lm.network.lm_head.bias.zero_()
        for rank, piece in enumerate([lm.network.config.vocab_size - 1, 5, lm.text.num_text, 2]):
            lm.network.lm_head.bias[piece] = 50 - rank
    assert lm.continue_ids([1, 5], "SPEECH", {"max_new_tokens": 4}) == [2]
    assert lm.continue_ids([1, 5], "TEXT", {"max_new_tokens": 4}) == [5] * 4
    assert lm.continue_ids([1, 5], "SPEECH", {"max_new_tokens": 4}, force=False) == [5] * 4


def test_text_is_cut_at_words_and_never_becomes_a_unit():
    text = SentencePieceText(pieces(UNITS))
    for said in ("the cat [Hu3] sat", "[Text] </s> <s>", "[Pi1][St2]x [Hu99]", "zażółć 🙂"):
        ids = text.encode(said)
        assert (
            ids == [i for word in text.encode_words(said.split()) for i in word]
            and max(ids) < len(text)
            and not {1, 2} & set(ids)
        )
        assert text.decode(ids) == said
    assert text.decode([*text.encode("the"), len(text), len(text) + 5, *text.encode("cat")]) == "the cat"
    assert text.units == UNITS


@pytest.mark.parametrize(
    "change, message",
    [
        (
            lambda state: state.pop("model.layers.1.mlp.up_proj.weight"),
            "missing tensors model.layers.1.mlp.up_proj.weight",
        ),
        (
            lambda state: state.update({"model.layers.1.mlp.other.weight": torch.zeros(2)}),
            "unexpected tensors model.layers.1.mlp.other.weight",
        ),
        (lambda state: state.update({"model.norm.weight": torch.zeros(5)}), "mismatched tensors .*model.norm.weight"),
    ],
)
def test_a_folder_with_another_tensor_is_refused(folder, tmp_path, change, message):
    state = torch.load(folder / "pytorch_model.bin", weights_only=True)
    change(state)
    torch.save(state, tmp_path / "pytorch_model.bin")
    for name in ("config.json", "tokenizer.model"):
        (tmp_path / name).write_bytes((folder / name).read_bytes())
    with pytest.raises(ValueError, match=message):
        SpiritLM.load(tmp_path)


@pytest.mark.parametrize(
    "missing, message",
    [("config.json", "no config.json"), ("tokenizer.model", "no tokenizer.model"), ("pytorch_model.bin", "no weights")],
)
def test_a_missing_file_is_named(folder, tmp_path, missing, message):
    for path in folder.iterdir():
        if path.name != missing:
            (tmp_path / path.name).write_bytes(path.read_bytes())
    with pytest.raises(FileNotFoundError, match=message):
        SpiritLM.load(tmp_path)


def test_pieces_out_of_order_are_refused():
    with pytest.raises(ValueError, match=r"want begin and end pieces, and \[Text\] followed by \[Speech\]"):
        model = io.BytesIO()
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=iter(SENTENCES),
            model_writer=model,
            vocab_size=310,
            byte_fallback=True,
            model_type="bpe",
            minloglevel=9,
        )
        SentencePieceText(model.getvalue())
    form = sentencepiece_model_pb2.ModelProto.FromString(pieces({"Hu": 3}))
    form.pieces.add(piece="[Hu4]", score=0.0, type=4)
    with pytest.raises(ValueError, match=r"is '\[Hu4\]'"):
        SentencePieceText(form.SerializeToString()).units


def contract(sizes):
    streams = [
        {"prefix": prefix, "size": size, "rate": rate, "dedup": rate > 1, "clock": None}
        for (prefix, size), rate in zip(sizes.items(), (25.0, 12.5, 1.0), strict=False)
    ]
    return {"tokenizer": {"streams": streams, "checksum": "toy"}}


def test_import_keeps_ids_weights_and_contract(folder, tmp_path):
    vocabulary = import_language_model(folder, tmp_path / "model", contract(UNITS))
    again = Vocabulary.load(tmp_path / "model")
    assert again.contract == vocabulary.contract == read_contract(tmp_path / "model")["vocabulary"]
    text = SentencePieceText.load(folder).pieces
    assert {prefix: (ids.start, ids.stop) for prefix, ids in vocabulary.ranges.items()} == {
        prefix: (text.piece_to_id(f"[{prefix}0]"), text.piece_to_id(f"[{prefix}{size - 1}]") + 1)
        for prefix, size in UNITS.items()
    }
    with pytest.raises(ValueError, match="import the tokenizer that it was trained with"):
        import_language_model(folder, tmp_path / "other", contract({"Hu": 21}))
    assert not (tmp_path / "other").exists()

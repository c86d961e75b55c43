"""Networks of every kind of positions: how many tokens they read, and what is refused before it fails."""

import pytest
import torch
from transformers import (
    AutoModelForCausalLM,
    BloomConfig,
    FalconConfig,
    Gemma3TextConfig,
    GPT2Config,
    GPTJConfig,
    LlamaConfig,
    MptConfig,
    OPTConfig,
)

from tests.toy_tokens import tiny_network, words_vocabulary
from zoo.language.adapters import lora
from zoo.language.document_positions import DocumentPositions, RowPositions
from zoo.language.embedding_initializers import NormalRows
from zoo.language.embedding_rows import extend_embeddings
from zoo.language.generation import Sampling, generate
from zoo.language.losses import NextTokenLoss
from zoo.language.position_limits import UNLIMITED, max_positions, require_positions, takes_position_ids
from zoo.language.token_streaming import stream_ids

VOCABULARY = words_vocabulary()
SHAPE = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "vocab_size": VOCABULARY.num_text}
GPT_SHAPE = {"n_embd": 16, "n_layer": 2, "n_head": 2, "vocab_size": VOCABULARY.num_text}
LEARNED = {
    "gpt2": GPT2Config(n_positions=32, **GPT_SHAPE),
    "gptj": GPTJConfig(n_positions=32, rotary_dim=4, **GPT_SHAPE),
    "opt": OPTConfig(max_position_embeddings=32, ffn_dim=24, word_embed_proj_dim=16, **SHAPE),
    "mpt": MptConfig(d_model=16, n_layers=2, n_heads=2, max_seq_len=32, vocab_size=VOCABULARY.num_text),
}
ROTARY = {
    "llama": LlamaConfig(max_position_embeddings=32, intermediate_size=24, **SHAPE),
    "gemma3": Gemma3TextConfig(
        max_position_embeddings=32, intermediate_size=24, head_dim=8, num_key_value_heads=1, **SHAPE
    ),
    "falcon": FalconConfig(max_position_embeddings=32, alibi=False, **SHAPE),
}
ALIBI = {
    "bloom": BloomConfig(n_layer=2, n_head=2, hidden_size=16, vocab_size=VOCABULARY.num_text, seq_length=32),
    "falcon": FalconConfig(max_position_embeddings=32, alibi=True, multi_query=False, parallel_attn=False, **SHAPE),
}
LONG = torch.randint(len(VOCABULARY), (1, 40), generator=torch.Generator().manual_seed(0))
PROMPT = ["anna tom vera"]


def network_of(config):
    torch.manual_seed(0)
    return extend_embeddings(AutoModelForCausalLM.from_config(config), VOCABULARY, NormalRows(), 0).eval()


@pytest.mark.parametrize("family", LEARNED)
def test_rows_longer_than_a_table_of_positions_are_refused(family):
    network = network_of(LEARNED[family])
    assert max_positions(network) == 32
    require_positions(network, 32)
    message = "sequence_length=40: .* has positions for 32 tokens: set sequence_length to 32 or less"
    with pytest.raises(ValueError, match=message):
        require_positions(network, 40)
    NextTokenLoss(network)(LONG[:, :32])
    with pytest.raises((IndexError, RuntimeError)):
        NextTokenLoss(network)(LONG)


@pytest.mark.parametrize("family", ROTARY)
def test_rotary_positions_go_on_with_a_warning(family):
    network = network_of(ROTARY[family])
    with pytest.warns(UserWarning, match="sequence_length=40: .* evaluation and generation read at most 32"):
        require_positions(network, 40)
    assert NextTokenLoss(network)(LONG).mean.isfinite()


@pytest.mark.parametrize("family", ALIBI)
def test_attention_biased_by_distance_sets_no_limit(family):
    network = network_of(ALIBI[family])
    assert max_positions(network) == UNLIMITED
    require_positions(network, 40)
    assert NextTokenLoss(network)(LONG).mean.isfinite()
    sampling = Sampling(max_new_tokens=40, temperature=0)
    assert len(generate(network, VOCABULARY, [PROMPT], "speech", sampling)[0].segments[0]) <= 40
    assert len(list(stream_ids(network, VOCABULARY, PROMPT, "speech", sampling))) <= 40


@pytest.mark.parametrize("config", [*LEARNED.values(), *ROTARY.values()], ids=[*LEARNED, *ROTARY])
def test_generation_ends_at_the_last_position(config):
    network = network_of(config)
    sampling = Sampling(max_new_tokens=100, temperature=0)
    prompt_length = 32 - len(list(stream_ids(network, VOCABULARY, PROMPT, "speech", sampling)))
    assert prompt_length >= len(VOCABULARY.text.encode(PROMPT[0])) + 3
    with pytest.raises(ValueError, match="this model reads at most 31"):
        generate(network, VOCABULARY, [[PROMPT[0]] * 20], "speech", sampling)


def test_limits_are_those_of_the_network_below_an_adapter():
    network = lora(tiny_network(VOCABULARY, max_positions=48), rank=2)
    assert max_positions(network) == 48 and takes_position_ids(network)
    assert not takes_position_ids(lora(network_of(ALIBI["bloom"]), rank=2, targets=None))


@pytest.mark.parametrize("config", [LEARNED["opt"], LEARNED["mpt"], ROTARY["falcon"], *ALIBI.values()])
def test_documents_that_a_network_cannot_separate_are_refused(config):
    network = network_of(config)
    with pytest.raises(ValueError, match="attends across the documents of a row, whatever their positions"):
        NextTokenLoss(network, DocumentPositions(VOCABULARY))
    NextTokenLoss(network, RowPositions())


@pytest.mark.parametrize("config", [LEARNED["gpt2"], LEARNED["gptj"], ROTARY["llama"], ROTARY["gemma3"]])
def test_documents_are_separated(config):
    network = network_of(config).train()
    loss = NextTokenLoss(network, DocumentPositions(VOCABULARY))
    assert network.training
    network.eval()
    first, second = LONG[:, :8].clone(), LONG[:, 8:16].clone()
    for document in (first, second):
        document[0, :2] = torch.tensor([VOCABULARY.bos, VOCABULARY.text_marker])
    with torch.no_grad():
        together = loss(torch.cat([first, second], 1)).tokens[:, -7:]
        torch.testing.assert_close(together, loss(second).tokens, rtol=1e-4, atol=1e-5)

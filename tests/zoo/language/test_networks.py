import pytest
import torch

from tests.toy_tokens import tiny_network, words_vocabulary
from zoo.language.networks import llama, pretrained
from zoo.tokens.vocabulary import Vocabulary

VOCABULARY = words_vocabulary()


def text_checkpoint(folder, rows=VOCABULARY.num_text, **changes):
    """A text model of so many rows, and its state."""
    text_only = Vocabulary(VOCABULARY.text, (), multiple=1)
    network = tiny_network(text_only, **changes)
    network.resize_token_embeddings(rows, mean_resizing=False)
    network.save_pretrained(folder)
    return {name: weight.clone() for name, weight in network.state_dict().items()}


@pytest.mark.parametrize("tied", [False, True], ids=["untied", "tied"])
@pytest.mark.parametrize("spare", [0, 5], ids=["exact", "padded"])
def test_text_rows_are_kept_to_the_bit_and_the_others_drawn(tmp_path, tied, spare):
    before = text_checkpoint(tmp_path, VOCABULARY.num_text + spare, tie_embeddings=tied)
    network = pretrained(str(tmp_path), VOCABULARY)
    after, deviation = network.state_dict(), network.config.initializer_range
    assert after.keys() == before.keys() and network.dtype == torch.float32
    for name, weight in before.items():
        new = after[name]
        if "embed" not in name and "lm_head" not in name:
            assert torch.equal(new, weight)
            continue
        text = VOCABULARY.num_text
        assert len(new) == VOCABULARY.num_rows and torch.equal(new[:text], weight[:text])
        assert new[text:].std().item() == pytest.approx(deviation, rel=0.3) and abs(new[text:].mean().item()) < deviation / 2
        assert len(new[text:].unique(dim=0)) == VOCABULARY.num_rows - text
        assert not any(torch.equal(row, old) for row, old in zip(new[text:], weight[text:]))
    same = network.get_input_embeddings().weight is network.get_output_embeddings().weight
    assert same == tied
    assert (network.config.vocab_size, network.config.bos_token_id, network.config.eos_token_id) == (VOCABULARY.num_rows, VOCABULARY.bos, VOCABULARY.eos)


def test_new_rows_are_a_function_of_the_seed(tmp_path):
    text_checkpoint(tmp_path)
    one, two = ([pretrained(str(tmp_path), VOCABULARY, seed=seed).state_dict() for _ in range(3)] for seed in (0, 1))
    for name in ("model.embed_tokens.weight", "lm_head.weight"):
        assert all(torch.equal(one[0][name], again[name]) for again in one[1:])
        assert not torch.equal(one[0][name], two[0][name])


def test_what_a_text_model_says_of_text_does_not_change(tmp_path):
    text_checkpoint(tmp_path)
    ids = torch.tensor([[VOCABULARY.bos, *VOCABULARY.text.encode("anna tom vera")]])
    before = type(pretrained(str(tmp_path), VOCABULARY)).from_pretrained(tmp_path).eval()(ids).logits
    torch.testing.assert_close(pretrained(str(tmp_path), VOCABULARY).eval()(ids).logits[..., : VOCABULARY.num_text], before)


def test_too_few_rows_are_an_error(tmp_path):
    text_checkpoint(tmp_path, VOCABULARY.num_text - 3)
    with pytest.raises(ValueError, match=f"embeds {VOCABULARY.num_text - 3} text pieces, but its vocabulary has {VOCABULARY.num_text}"):
        pretrained(str(tmp_path), VOCABULARY)


def test_the_rotary_base_is_applied_or_kept(tmp_path):
    text_checkpoint(tmp_path, rope_theta=10_000.0)
    kept, raised = pretrained(str(tmp_path), VOCABULARY), pretrained(str(tmp_path), VOCABULARY, rope_theta=1e6)
    frequencies = lambda theta: theta ** (-torch.arange(0, 8, 2) / 8)
    torch.testing.assert_close(kept.model.rotary_emb.inv_freq, frequencies(10_000.0))
    torch.testing.assert_close(raised.model.rotary_emb.inv_freq, frequencies(1e6))
    raised.save_pretrained(tmp_path / "raised")
    torch.testing.assert_close(pretrained(str(tmp_path / "raised"), VOCABULARY).model.rotary_emb.inv_freq, frequencies(1e6))


def test_an_untrained_llama_has_a_row_for_every_id():
    network = tiny_network(VOCABULARY)
    assert network.get_input_embeddings().weight.shape == network.get_output_embeddings().weight.shape == (VOCABULARY.num_rows, 16)
    torch.testing.assert_close(network.model.rotary_emb.inv_freq, 100_000.0 ** (-torch.arange(0, 8, 2) / 8))
    assert tiny_network(VOCABULARY, tie_embeddings=True).num_parameters() == network.num_parameters() - 16 * VOCABULARY.num_rows


def test_widths_that_do_not_divide_are_an_error():
    with pytest.raises(ValueError, match="hidden_size 16 must be a multiple of num_heads 3"):
        llama(VOCABULARY, 16, 1, 3)


def test_a_later_token_changes_nothing_before_it():
    network = tiny_network(VOCABULARY).eval()
    ids = torch.randint(len(VOCABULARY), (1, 20), generator=torch.Generator().manual_seed(0))
    changed = ids.clone()
    changed[:, 12] = (ids[:, 12] + 1) % len(VOCABULARY)
    before, after = network(ids).logits, network(changed).logits
    torch.testing.assert_close(after[:, :12], before[:, :12], rtol=0, atol=1e-6)
    assert not torch.allclose(after[:, 12:], before[:, 12:], atol=1e-4)



import random

import pytest
import torch

from tests.toy_spiritlm import SMALL, layers_of, slow_features, slow_units, write_hubert, write_quantizer
from zoo.interop.spiritlm.conv_layers import conv_layers
from zoo.interop.spiritlm.hubert import (
    HUBERT,
    QUANTIZER,
    extract_features,
    load_hubert,
    load_phonetic,
    load_quantizer,
)
from zoo.speech.encoders import HubertEncoder

STANDARD = "[(6,10,5)] + [(6,3,2)] * 4 + [(6,2,2)] * 3"
VARIANTS = {
    "post norm": {},
    "three 2/2 layers": {"conv_feature_layers": STANDARD},
    "layer norm extractor": {"extractor_mode": "layer_norm"},
    "conv bias": {"conv_bias": True},
    "large": {"extractor_mode": "layer_norm", "conv_bias": True, "layer_norm_first": True, "conv_pos": 15},
    "pre norm, group norm": {"layer_norm_first": True},
    "odd positions, one group": {"conv_pos": 7, "conv_pos_groups": 1},
    "no projection": {"conv_feature_layers": STANDARD.replace("6", "12"), "conv_bias": True},
    "growing channels": {"conv_feature_layers": "[(4,10,5)]+2*[(6,3,2)]+[(8,3,2),(8,3,2)]+[(10,2,2)]*3"},
    "relu": {"activation_fn": "relu", "encoder_attention_heads": 2},
    "one layer": {"encoder_layers": 1, "encoder_embed_dim": 10, "encoder_attention_heads": 5, "conv_pos_groups": 5},
}


def sound(samples, seed=0):
    return 0.1 * torch.randn(samples, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("seed, name", enumerate(VARIANTS))
def test_features_are_those_of_a_slow_reference_at_every_layer(seed, name, tmp_path):
    config = write_hubert(tmp_path / "h.pt", seed, **VARIANTS[name])
    assert torch.tensor([stride for _, _, stride in layers_of(config)]).prod() == 640
    waveform = sound(720 + 640 * 10 + 17, seed)
    for layer in (*range(1, config["encoder_layers"] + 1), None):
        want = slow_features(tmp_path / "h.pt", waveform, layer)
        found = extract_features(HubertEncoder(load_hubert(tmp_path / "h.pt"), layer, normalize=False), waveform)
        assert found.shape == want.shape == (11, config["encoder_embed_dim"])
        assert (found - want).abs().max() < 1e-4 * want.abs().max()
        assert want.std(0).min() > 1e-2, "the features hardly change, so that they could not tell"


@pytest.mark.parametrize(
    "dim, upstream_dim, vocab_size", [(12, 12, 500), (400, 768, 9), (12, 768, 750), (20, 5, 9), (20, 31, 9), (8, 10, 9)]
)
def test_units_are_those_of_a_slow_reference(dim, upstream_dim, vocab_size, tmp_path):
    write_quantizer(tmp_path / "q.pt", dim, upstream_dim, vocab_size, seed=1)
    quantizer, dense, blanks = load_quantizer(tmp_path / "q.pt"), 10 * sound(1000 * dim).view(1000, dim), 0
    for start in range(0, 1000, 10):
        units, argmax = slow_units(tmp_path / "q.pt", dense[start : start + 10])
        assert quantizer(dense[start : start + 10]).tolist() == units
        blanks += vocab_size in argmax
    assert len(set(quantizer(dense).tolist())) > 2 and (blanks > 2 or vocab_size > 100)


def folder(path, quantizer=(12, 12), **changes):
    write_hubert(path / HUBERT, encoder_layers=12, **changes)
    write_quantizer(path / QUANTIZER, *quantizer)
    return path


def test_the_units_are_those_of_the_eleventh_layer(tmp_path):
    waveform = sound(16000)
    folder(tmp_path)
    write_quantizer(tmp_path / QUANTIZER, 12, 12, about=slow_features(tmp_path / HUBERT, waveform, 11))
    units = load_phonetic(tmp_path)
    want, _ = slow_units(tmp_path / QUANTIZER, slow_features(tmp_path / HUBERT, waveform, 11))
    assert units.encode(waveform).tolist() == want and len(set(want)) > 5
    assert (units.stream.prefix, units.stream.size, units.stream.rate, units.stream.clock) == ("Hu", 501, 25.0, 24.99)
    units.save(tmp_path / "zoo")
    assert type(units).load(tmp_path / "zoo").encode(waveform).tolist() == want
    assert type(units).load(tmp_path / "zoo").checksum() == units.checksum()


def test_half_precision_files_are_read_as_floats(tmp_path):
    write_hubert(tmp_path / "h.pt")
    checkpoint = torch.load(tmp_path / "h.pt", weights_only=True)
    checkpoint["model_weight"] = {name: tensor.half() for name, tensor in checkpoint["model_weight"].items()}
    torch.save(checkpoint, tmp_path / "h.pt")
    want = slow_features(tmp_path / "h.pt", sound(8000), 2)
    assert (
        extract_features(HubertEncoder(load_hubert(tmp_path / "h.pt"), 2, False), sound(8000)) - want
    ).abs().max() < 1e-4 * want.abs().max()


def change(path, part, **changes):
    """Write a checkpoint again with some entries changed; None takes one away."""
    checkpoint = torch.load(path, weights_only=True)
    checkpoint[part] = {name: value for name, value in {**checkpoint[part], **changes}.items() if value is not None}
    torch.save(checkpoint, path)


@pytest.mark.parametrize(
    "file, part, changes, says",
    [
        (HUBERT, "model_weight", {"encoder.layers.7.fc1.bias": None}, "no tensor encoder.layers.7.feed_forward"),
        (
            HUBERT,
            "model_weight",
            {"encoder.layers.7.fc3.bias": torch.zeros(2)},
            "unknown tensor encoder.layers.7.fc3.bias",
        ),
        (
            HUBERT,
            "model_weight",
            {"encoder.layers.12.fc1.bias": torch.zeros(20)},
            "unknown tensor encoder.layers.12.fc1.bias",
        ),
        (
            HUBERT,
            "model_weight",
            {"layer_norm.bias": torch.zeros(3)},
            r"layer_norm.bias is of shape \(3,\), but the file's configuration asks for \(8,\)",
        ),
        (HUBERT, "model_weight", {"post_extract_proj.weight": None}, "no tensor feature_projection.projection.weight"),
        (HUBERT, "model_weight", {"encoder.pos_conv.0.weight_g": None}, "no tensor encoder.pos_conv"),
        (HUBERT, "model_cfg", {"label_rate": None}, "no label_rate in model_cfg"),
        (HUBERT, "model_cfg", {"extractor_mode": "group"}, "extractor_mode is 'group'; known are default, layer_norm"),
        (HUBERT, "model_cfg", {"encoder_attention_heads": 5}, "encoder_embed_dim 12 does not divide into 5 heads"),
        (
            HUBERT,
            "model_cfg",
            {"conv_feature_layers": "exit()"},
            r"conv_feature_layers: 'exit\(\)' is no list of layers",
        ),
        (HUBERT, "task_cfg", {"sample_rate": 8000}, "sample_rate is 8000; the release reads 16000 Hz"),
        (HUBERT, "task_cfg", {"normalize": True}, "normalize is true"),
        (QUANTIZER, "model_cfg", {"upstream_dim": None}, "upstream_dim is None; want an integer"),
        (QUANTIZER, "model_cfg", {"upstream_dim": 20}, "is of shape"),
        (QUANTIZER, "model_weight", {"4.bias": None}, "no tensor layers.4.bias"),
        (QUANTIZER, "model_weight", {"6.bias": torch.zeros(2)}, "unknown tensor 6.bias"),
        (QUANTIZER, "model_weight", {}, None),
    ],
)
def test_what_does_not_fit_is_named(file, part, changes, says, tmp_path):
    change(folder(tmp_path) / file, part, **changes)
    if says is None:
        load_phonetic(tmp_path)
    else:
        with pytest.raises(ValueError, match=says) as error:
            load_phonetic(tmp_path)
        assert str(tmp_path / file) in str(error.value) and "\n" not in str(error.value)


def test_files_that_are_no_checkpoints_are_errors_of_one_line(tmp_path):
    class Trap:
        def __reduce__(self):
            return (pytest.fail, ("a checkpoint was run",))

    folder(tmp_path)
    for break_it, says in (
        (lambda path: path.unlink(), "no such file"),
        (lambda path: path.write_bytes(b""), "not a checkpoint"),
        (lambda path: path.write_text("hello"), "not a checkpoint"),
        (lambda path: torch.save([1], path), "no 'model_cfg' in it"),
        (lambda path: torch.save({"model_cfg": Trap()}, path), "not a checkpoint"),
        (lambda path: torch.save({"model_cfg": {}}, path), "no 'task_cfg' in it; there is model_cfg"),
    ):
        break_it(tmp_path / HUBERT)
        with pytest.raises((ValueError, FileNotFoundError), match=says) as error:
            load_phonetic(tmp_path)
        assert str(tmp_path / HUBERT) in str(error.value) and "\n" not in str(error.value)


def test_a_network_of_too_few_layers_is_refused(tmp_path):
    write_hubert(folder(tmp_path) / HUBERT, encoder_layers=10)
    with pytest.raises(ValueError, match=f"{HUBERT}: model_cfg.encoder_layers is 10; the units are of layer 11"):
        load_phonetic(tmp_path)


def test_a_quantizer_of_another_width_is_refused(tmp_path):
    with pytest.raises(ValueError, match="features of width 9, but the encoder's are 12 wide"):
        load_phonetic(folder(tmp_path, quantizer=(9, 9)))


@pytest.mark.parametrize("seed", range(20))
def test_expressions_of_layers_are_read_as_python_would(seed):
    draw = random.Random(seed)

    def layer():
        return tuple(draw.randint(1, 9) for _ in range(3))

    def listed(depth):
        kind = draw.choice(["list", "sum", "times", "times first"]) if depth else "list"
        if kind == "list":
            return str([layer() for _ in range(draw.randint(1, 2))])
        if kind == "sum":
            return f"{listed(depth - 1)} + {listed(depth - 1)}"
        times = draw.randint(1, 3)
        return f"({listed(depth - 1)}) * {times}" if kind == "times" else f"{times}*({listed(depth - 1)})"

    expression = listed(3)
    assert conv_layers(expression) == eval(expression)


@pytest.mark.parametrize(
    "expression",
    [
        "",
        "[]",
        "[(1,2)]",
        "[(1,2,3,4)]",
        "[(1,2,0)]",
        "[(1,2,-3)]",
        "[(1,2,'3')]",
        "[(1,2,3.0)]",
        "[(True,2,3)]",
        "[(1,2,3)] * 100000000",
        "[(1,2,3)] * 8 * 8 * 2",
        "[(1,2,3)] - [(1,2,3)]",
        "__import__('os')",
        "(1,2,3)",
        "[(1,2,x)]",
        "[(1,2,3)] * n",
        "[(1,2,3)",
        "[(1,2,3)] for x",
        "[*[(1,2,3)]]",
        7,
    ],
)
def test_expressions_of_anything_else_are_refused(expression):
    with pytest.raises(ValueError):
        conv_layers(expression)


def test_a_waveform_is_encoded_in_chunks(tmp_path):
    write_hubert(tmp_path / "h.pt")
    encoder = HubertEncoder(load_hubert(tmp_path / "h.pt"), 2, False)
    waveform = sound(8399)
    want = torch.cat([slow_features(tmp_path / "h.pt", piece, 2) for piece in (waveform[:4000], waveform[4000:8000])])
    assert (extract_features(encoder, waveform, 4000) - want).abs().max() < 1e-4 * want.abs().max()
    for samples, says in (
        (8400, "a chunk of 400 samples is shorter than the 720"),
        (399, "nothing is left"),
        (0, "nothing is left"),
    ):
        with pytest.raises(ValueError, match=says):
            extract_features(encoder, sound(samples), 4000)


def test_the_smallest_configuration_is_that_of_the_format():
    """Fields that a file leaves out have fairseq's defaults."""
    from zoo.interop.spiritlm.hubert import _config

    config = _config({"model_cfg": {"label_rate": 25, "something_new": 1}, "task_cfg": {}}, "x")
    assert (config.hidden_size, config.num_hidden_layers, config.num_attention_heads, config.intermediate_size) == (
        768,
        12,
        12,
        3072,
    )
    assert (
        config.num_conv_pos_embeddings,
        config.num_conv_pos_embedding_groups,
        config.feat_extract_norm,
        config.conv_bias,
    ) == (128, 16, "group", False)
    assert not config.do_stable_layer_norm and SMALL["label_rate"] == 25

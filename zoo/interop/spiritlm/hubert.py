"""Official phonetic units: a fairseq HuBERT as a transformers network, and the linear quantizer of its 11th layer."""

import re
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F
from transformers import HubertConfig, HubertModel

from zoo.interop.spiritlm.checkpoint import match_tensors, read_checkpoint
from zoo.interop.spiritlm.conv_layers import conv_layers
from zoo.interop.spiritlm.weight_names import hubert_name
from zoo.speech.ctc_quantizer import CTCQuantizer, spiritlm_widths
from zoo.speech.encoders import HubertEncoder, SpeechEncoder
from zoo.speech.phonetic_units import PhoneticUnits

HUBERT = "mhubert_base_25hz.pt"
QUANTIZER = "L11_quantizer_500.pt"
LAYER = 11
CLOCK = 24.99  # units per second by which the release orders its tokens
SAMPLE_RATE = 16000
MAX_CHUNK_SAMPLES = 1_600_000
MIN_CHUNK_SAMPLES = 400
# Fields of model_cfg that may be missing, with the defaults of fairseq.
DEFAULTS = {
    "extractor_mode": "default",
    "encoder_layers": 12,
    "encoder_embed_dim": 768,
    "encoder_ffn_embed_dim": 3072,
    "encoder_attention_heads": 12,
    "activation_fn": "gelu",
    "layer_norm_first": False,
    "conv_bias": False,
    "conv_pos": 128,
    "conv_pos_groups": 16,
    "conv_feature_layers": "[(512,10,5)] + [(512,3,2)] * 4 + [(512,2,2)] * 2",
}
EXTRACTOR_MODES = {"default": "group", "layer_norm": "layer"}
ACTIVATIONS = {
    "gelu": "gelu",
    "gelu_accurate": "gelu_new",
    "gelu_fast": "gelu_new",
    "relu": "relu",
    "tanh": "tanh",
    "linear": "linear",
    "swish": "silu",
}
# Tensors of the pretraining heads, which no unit depends on.
UNUSED = re.compile(r"(final_proj\.|label_embs_concat$)")


def load_phonetic(folder: Path) -> PhoneticUnits:
    """Load the folder ``hubert_25hz/``: the phonetic units of Spirit LM.

    Raises:
        FileNotFoundError: A file is missing.
        ValueError: A file is not what the release reads.
    """
    folder = Path(folder)
    path = folder / HUBERT
    checkpoint = _read(path)
    network = _build_network(checkpoint, path)
    if network.config.num_hidden_layers < LAYER:
        raise ValueError(
            f"{path}: model_cfg.encoder_layers is {network.config.num_hidden_layers}; the units are of layer {LAYER}"
        )
    if checkpoint["task_cfg"].get("normalize"):
        raise ValueError(
            f"{path}: task_cfg.normalize is true, which the release cannot run: its own checkpoint has false"
        )
    return PhoneticUnits(HubertEncoder(network, LAYER, normalize=False), load_quantizer(folder / QUANTIZER), CLOCK)


def load_hubert(path: Path) -> HubertModel:
    """Load a converted fairseq HuBERT without the heads of its pretraining.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: A field is missing or unknown, or a tensor is missing, unknown or of another size.
    """
    return _build_network(_read(Path(path)), Path(path))


def _read(path: Path) -> dict[str, Any]:
    return read_checkpoint(path, ("model_cfg", "task_cfg", "model_weight"))


def _build_network(checkpoint: dict[str, Any], path: Path) -> HubertModel:
    """Return the network of a checkpoint, frozen and in evaluation mode; ``path`` is for error messages."""
    config = _config(checkpoint, path)
    with torch.device("meta"):
        network = HubertModel(config)
    state = {}
    source_names = {}
    for source_name, tensor in checkpoint["model_weight"].items():
        if not UNUSED.match(source_name):
            name = hubert_name(source_name)
            state[name] = tensor.float()
            source_names[name] = source_name
    state.setdefault("masked_spec_embed", torch.zeros(config.hidden_size))
    if config.conv_dim[-1] == config.hidden_size:
        if "feature_projection.projection.weight" in state:
            raise ValueError(
                f"{path}: unknown tensor post_extract_proj.weight: "
                f"there is no projection where the last convolution has the {config.hidden_size} channels of the layers"
            )
        # fairseq has no projection here, transformers always has one: the identity leaves the features as they are.
        state["feature_projection.projection.weight"] = torch.eye(config.hidden_size)
        state["feature_projection.projection.bias"] = torch.zeros(config.hidden_size)
    match_tensors(path, state, network.state_dict(), source_names)
    network.load_state_dict(state, assign=True)
    return network.eval().requires_grad_(False)


def _config(checkpoint: dict[str, Any], path: Path) -> HubertConfig:
    """Return the configuration of a checkpoint in the fields of transformers.

    Raises:
        ValueError: A field is missing or has a value that cannot be converted.
    """
    if "label_rate" not in checkpoint["model_cfg"]:
        raise ValueError(f"{path}: no label_rate in model_cfg")
    sample_rate = checkpoint["task_cfg"].get("sample_rate", SAMPLE_RATE)
    if sample_rate != SAMPLE_RATE:
        raise ValueError(f"{path}: task_cfg.sample_rate is {sample_rate}; the release reads {SAMPLE_RATE} Hz")
    model = {name: checkpoint["model_cfg"].get(name, default) for name, default in DEFAULTS.items()}
    for name, known in (("extractor_mode", EXTRACTOR_MODES), ("activation_fn", ACTIVATIONS)):
        if str(model[name]) not in known:
            raise ValueError(f"{path}: model_cfg.{name} is {model[name]!r}; known are {', '.join(known)}")
    for name, parts in (("encoder_attention_heads", "heads"), ("conv_pos_groups", "groups")):
        if model["encoder_embed_dim"] % model[name]:
            raise ValueError(
                f"{path}: model_cfg.encoder_embed_dim {model['encoder_embed_dim']} does not divide into "
                f"{model[name]} {parts} ({name})"
            )
    try:
        layers = conv_layers(model["conv_feature_layers"])
    except ValueError as error:
        raise ValueError(f"{path}: model_cfg.conv_feature_layers: {error}") from error
    return HubertConfig(
        hidden_size=model["encoder_embed_dim"],
        num_hidden_layers=model["encoder_layers"],
        num_attention_heads=model["encoder_attention_heads"],
        intermediate_size=model["encoder_ffn_embed_dim"],
        hidden_act=ACTIVATIONS[str(model["activation_fn"])],
        do_stable_layer_norm=bool(model["layer_norm_first"]),
        feat_extract_norm=EXTRACTOR_MODES[str(model["extractor_mode"])],
        feat_extract_activation="gelu",
        conv_bias=bool(model["conv_bias"]),
        conv_dim=[layer.channels for layer in layers],
        conv_kernel=[layer.kernel for layer in layers],
        conv_stride=[layer.stride for layer in layers],
        num_feat_extract_layers=len(layers),  # pyrefly: ignore[unexpected-keyword]  # not in the stub
        num_conv_pos_embeddings=model["conv_pos"],
        num_conv_pos_embedding_groups=model["conv_pos_groups"],
        layer_norm_eps=1e-5,
        apply_spec_augment=False,
    )


def load_quantizer(path: Path) -> CTCQuantizer:
    """Load the file ``L11_quantizer_500.pt``.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: A field or a tensor is missing, unknown or of another size.
    """
    checkpoint = read_checkpoint(Path(path), ("model_cfg", "model_weight"))
    config = checkpoint["model_cfg"]
    for field in ("vocab_size", "dim", "upstream_dim"):
        if not isinstance(config.get(field), int):
            raise ValueError(f"{path}: model_cfg.{field} is {config.get(field)!r}; want an integer")
    quantizer = CTCQuantizer(spiritlm_widths(config["dim"], config["upstream_dim"], config["vocab_size"]))
    source_names = {f"layers.{name}": name for name in checkpoint["model_weight"]}
    tensors = {name: checkpoint["model_weight"][source].float() for name, source in source_names.items()}
    match_tensors(path, tensors, quantizer.state_dict(), source_names)
    quantizer.load_state_dict(tensors)
    return quantizer.eval().requires_grad_(False)


@torch.inference_mode()
def extract_features(
    encoder: SpeechEncoder, waveform: Tensor, max_chunk_samples: int = MAX_CHUNK_SAMPLES, normalize: bool = False
) -> Tensor:
    """Return dense features (T, D) as the release computes them: chunk by chunk, without context across chunks.

    Args:
        encoder: Encoder of the official units.
        waveform: Waveform (N,) at 16 kHz; a last chunk of fewer than 400 samples is dropped.
        max_chunk_samples: Length of a chunk in samples.
        normalize: Whether the whole waveform is first given zero mean and unit variance, as ``task_cfg.normalize``
            does in fairseq.

    Raises:
        ValueError: No chunk is left, or a chunk is shorter than one frame.
    """
    if normalize:
        waveform = F.layer_norm(waveform, waveform.shape)
    chunks = [chunk for chunk in waveform.split(max_chunk_samples) if len(chunk) >= MIN_CHUNK_SAMPLES]
    if not chunks:
        raise ValueError(
            f"{len(waveform)} samples: the release skips chunks of fewer than {MIN_CHUNK_SAMPLES}, and nothing is left"
        )
    for chunk in chunks:
        if len(chunk) < encoder.min_samples:
            raise ValueError(f"a chunk of {len(chunk)} samples is shorter than the {encoder.min_samples} of one frame")
    return torch.cat([encoder(chunk) for chunk in chunks])

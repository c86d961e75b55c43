"""The wav2vec 2.0 style classifier of the official Spirit LM release."""

import json
from pathlib import Path

from torch import Tensor
from transformers import Wav2Vec2Config, Wav2Vec2Model

from zoo.interop.spiritlm.checkpoint import read_checkpoint
from zoo.speech.style_encoders import TransformerStyleEncoder
from zoo.speech.style_units import StyleClassifier, StyleUnits

FRAMES_PER_UNIT = 50
PREFIX = "wav2vec2."
# The weight norm of the positional convolution, by its older name and its newer one.
RENAMES = {
    "conv.weight_g": "conv.parametrizations.weight.original0",
    "conv.weight_v": "conv.parametrizations.weight.original1",
}


def load_style(folder: Path) -> StyleUnits:
    """Read ``config.json`` and ``pytorch_model.bin`` of ``style_encoder_w2v2/``.

    Raises:
        FileNotFoundError: Where one of them is missing.
        ValueError: Where a tensor is missing, unknown or of another size.
    """
    folder = Path(folder)
    for name in ("config.json", "pytorch_model.bin"):
        if not (folder / name).is_file():
            raise FileNotFoundError(f"no {name} in {folder}: not the folder of a Spirit LM style encoder")
    config = Wav2Vec2Config.from_dict(json.loads((folder / "config.json").read_text()))
    if config.use_weighted_layer_sum:
        raise ValueError(
            f"{folder / 'config.json'}: use_weighted_layer_sum is true; the release takes the last layer alone"
        )
    style = StyleUnits(
        TransformerStyleEncoder(Wav2Vec2Model(config), normalize=True),
        StyleClassifier(config.hidden_size, config.num_labels, config.classifier_proj_size, _labels(config)),
        FRAMES_PER_UNIT,
    )
    _fill(style, read_checkpoint(folder / "pytorch_model.bin", ()), folder / "pytorch_model.bin")
    return style


def _labels(config: Wav2Vec2Config) -> list[str]:
    return [config.id2label[index] for index in range(config.num_labels)]


def _fill(style: StyleUnits, state: dict[str, Tensor], path: Path) -> None:
    own = style.state_dict()
    renamed = {_rename(name): value for name, value in state.items()}
    # Masks are learned in pretraining only, and a model made without them has no such tensor.
    renamed = {name: value for name, value in renamed.items() if not name.endswith("masked_spec_embed") or name in own}
    missing = {name for name in own.keys() - renamed.keys() if not name.endswith("masked_spec_embed")}
    for word, names in (("unknown", renamed.keys() - own.keys()), ("no", missing)):
        if names:
            raise ValueError(f"{path}: {word} tensor {', '.join(sorted(names)[:3])}{' ...' if len(names) > 3 else ''}")
    for name, value in renamed.items():
        if value.shape != own[name].shape:
            raise ValueError(
                f"{path}: {name} is of shape {tuple(value.shape)}, but config.json asks for {tuple(own[name].shape)}"
            )
    style.load_state_dict(renamed, strict=False)


def _rename(name: str) -> str:
    """Our name of an official tensor; a name without one comes back as it is, and is then refused."""
    for old, new in RENAMES.items():
        if name.endswith(old):
            name = name.removesuffix(old) + new
    if name.startswith(PREFIX):
        return "encoder.network." + name.removeprefix(PREFIX)
    return f"head.{name}" if name.startswith(("projector.", "classifier.")) else name

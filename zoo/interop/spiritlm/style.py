"""Style units of the official Spirit LM release: its wav2vec 2.0 style classifier."""

from pathlib import Path

from torch import Tensor
from transformers import Wav2Vec2Config, Wav2Vec2Model

from zoo.files import read_json
from zoo.interop.spiritlm.checkpoint import match_tensors, read_checkpoint
from zoo.interop.spiritlm.weight_names import rename_tensors, style_name
from zoo.speech.style_encoders import TransformerStyleEncoder
from zoo.speech.style_units import StyleClassifier, StyleUnits

FRAMES_PER_UNIT = 50
MASK_EMBEDDING = "masked_spec_embed"


def load_style(folder: Path) -> StyleUnits:
    """Load ``config.json`` and ``pytorch_model.bin`` of the folder ``style_encoder_w2v2/``.

    Raises:
        FileNotFoundError: One of the files is missing.
        ValueError: A tensor is missing, unknown or of another size, or the features are a sum over layers.
    """
    folder = Path(folder)
    for name in ("config.json", "pytorch_model.bin"):
        if not (folder / name).is_file():
            raise FileNotFoundError(f"no {name} in {folder}: not the folder of a Spirit LM style encoder")
    config = Wav2Vec2Config.from_dict(read_json(folder / "config.json"))
    if config.use_weighted_layer_sum:
        raise ValueError(
            f"{folder / 'config.json'}: use_weighted_layer_sum is true; the release uses the last layer only"
        )
    labels = _labels(config)
    style = StyleUnits(
        TransformerStyleEncoder(Wav2Vec2Model(config), normalize=True),
        StyleClassifier(config.hidden_size, len(labels), config.classifier_proj_size, labels),
        FRAMES_PER_UNIT,
    )
    weights = folder / "pytorch_model.bin"
    _load_tensors(style, read_checkpoint(weights, ()), weights)
    return style


def _labels(config: Wav2Vec2Config) -> list[str]:
    """Return the names of the styles in the order of their indices."""
    by_index = {int(index): label for index, label in (config.id2label or {}).items()}
    return [by_index[index] for index in range(len(by_index))]


def _load_tensors(style: StyleUnits, tensors: dict[str, Tensor], path: Path) -> None:
    """Load official tensors into a network; ``path`` is their file, for error messages."""
    renamed = rename_tensors(tensors, style_name)
    expected = style.state_dict()
    # The embedding of masked frames is used in pretraining only: networks and checkpoints may or may not have it.
    for name in list(renamed):
        if name.endswith(MASK_EMBEDDING) and name not in expected:
            del renamed[name]
    for name in list(expected):
        if name.endswith(MASK_EMBEDDING) and name not in renamed:
            del expected[name]
    match_tensors(path, renamed, expected, configuration="config.json")
    style.load_state_dict(renamed, strict=False)

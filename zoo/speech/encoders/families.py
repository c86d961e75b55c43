"""The encoder of any pretrained checkpoint, by the type of its network."""

from zoo.ranges import LayerNumber
from zoo.speech.encoders.checkpoints import check_model_type, read_configuration
from zoo.speech.encoders.hubert import MODEL_TYPES as WAVEFORM_TYPES
from zoo.speech.encoders.hubert import HubertEncoder
from zoo.speech.encoders.pretrained import PretrainedEncoder
from zoo.speech.encoders.w2v_bert import MODEL_TYPES as W2V_BERT_TYPES
from zoo.speech.encoders.w2v_bert import W2vBertEncoder
from zoo.speech.encoders.whisper import MODEL_TYPES as WHISPER_TYPES
from zoo.speech.encoders.whisper import WhisperEncoder


def pretrained_encoder(source: str, layer: LayerNumber | None) -> PretrainedEncoder:
    """Return the encoder that fits a checkpoint: ``HubertEncoder``, ``W2vBertEncoder`` or ``WhisperEncoder``.

    Args:
        source: Name or folder of a checkpoint of transformers.
        layer: Number of layers to keep; the features are the output of the last one. None keeps all layers and what
            follows them.

    Raises:
        FileNotFoundError: If there is no such checkpoint.
        ValueError: If the type of the network is not supported, or the checkpoint is incomplete or has fewer layers.
    """
    config = read_configuration(source)
    check_model_type(config, (*WAVEFORM_TYPES, *W2V_BERT_TYPES, *WHISPER_TYPES), source)
    if config.model_type in WHISPER_TYPES:
        return WhisperEncoder(source, layer)
    if config.model_type in W2V_BERT_TYPES:
        return W2vBertEncoder(source, layer)
    return HubertEncoder(source, layer)

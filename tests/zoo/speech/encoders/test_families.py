import pytest
import torch
import transformers
from torch import nn

from tests.zoo.speech.encoders.test_whisper import save_checkpoint as save_whisper
from zoo.speech.encoders import HubertEncoder, W2vBertEncoder, WhisperEncoder, pretrained_encoder
from zoo.speech.encoders.filterbank_input import StackedFilterbanks
from zoo.speech.kmeans import KMeans
from zoo.speech.phonetic_units import PhoneticUnits

SMALL = {
    "hidden_size": 32,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "intermediate_size": 48,
}
WAVEFORM = {**SMALL, "conv_dim": (16,) * 7, "num_conv_pos_embeddings": 16, "num_conv_pos_embedding_groups": 2}
LAYER_NORM = {"feat_extract_norm": "layer", "conv_bias": True}
PRE_NORM = {**LAYER_NORM, "do_stable_layer_norm": True}
ADAPTER = {"add_adapter": True, "num_adapter_layers": 2, "output_hidden_size": 24}
DATA2VEC = {**WAVEFORM, "num_conv_pos_embeddings": 3, "conv_pos_kernel_size": 5}
CASES = {
    "hubert": ("HubertModel", WAVEFORM),
    "hubert_pre_norm": ("HubertModel", WAVEFORM | PRE_NORM),
    "hubert_batch_norm": ("HubertModel", WAVEFORM | {"conv_pos_batch_norm": True}),
    "hubert_ctc": ("HubertForCTC", WAVEFORM | {"vocab_size": 10}),
    "wav2vec2": ("Wav2Vec2Model", WAVEFORM),
    "wav2vec2_pretraining": ("Wav2Vec2ForPreTraining", WAVEFORM | PRE_NORM),
    "wav2vec2_adapter": ("Wav2Vec2Model", WAVEFORM | PRE_NORM | ADAPTER),
    "wav2vec2_language_adapters": ("Wav2Vec2ForCTC", WAVEFORM | PRE_NORM | {"adapter_attn_dim": 8, "vocab_size": 10}),
    "wavlm": ("WavLMModel", WAVEFORM),
    "wavlm_pre_norm": ("WavLMModel", WAVEFORM | PRE_NORM),
    "unispeech": ("UniSpeechModel", WAVEFORM),
    "unispeech_sat": ("UniSpeechSatModel", WAVEFORM),
    "unispeech_sat_pre_norm": ("UniSpeechSatModel", WAVEFORM | PRE_NORM),
    "data2vec": ("Data2VecAudioModel", DATA2VEC),
    "conformer_rotary": ("Wav2Vec2ConformerModel", WAVEFORM | LAYER_NORM | {"position_embeddings_type": "rotary"}),
    "conformer_relative": ("Wav2Vec2ConformerModel", WAVEFORM | {"position_embeddings_type": "relative"}),
    "w2v_bert": ("Wav2Vec2BertModel", SMALL),
    "w2v_bert_adapter": ("Wav2Vec2BertModel", SMALL | ADAPTER | {"use_intermediate_ffn_before_adapter": True}),
}
every_case = pytest.mark.parametrize("case", CASES)


def feature_extractor_of(case, **settings):
    if case.startswith("w2v_bert"):
        return transformers.SeamlessM4TFeatureExtractor(padding_value=1)
    return transformers.Wav2Vec2FeatureExtractor(do_normalize=True, **settings)


def save_checkpoint(folder, case, **settings):
    """Save a tiny random checkpoint with its feature extractor, and return its network without heads."""
    name, sizes = CASES[case]
    network_class = getattr(transformers, name)
    torch.manual_seed(0)
    network = network_class(network_class.config_class(**sizes)).eval()
    for key, weight in network.named_parameters():
        if "layer_norm" in key:  # so that a norm too many, or too few, is seen
            nn.init.normal_(weight, 1.0, 0.5)
        elif weight.dim() > 1:
            weight.data.mul_(2)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm1d):
            nn.init.uniform_(module.running_var, 0.5, 2.0)
            nn.init.normal_(module.running_mean)
    network.save_pretrained(folder)
    feature_extractor_of(case, **settings).save_pretrained(folder)
    return network.base_model


def noises(lengths):
    generator = torch.Generator().manual_seed(1)
    return [0.1 + 0.3 * torch.randn(length, generator=generator) for length in lengths]


def outputs_of_transformers(network, case, waveform):
    """Outputs of all layers and of the whole network by transformers' own feature extractor and forward."""
    outputs = []

    def keep(module, arguments, output):
        hidden = output if isinstance(output, torch.Tensor) else output[0]
        outputs.append(hidden[0])

    hooks = [layer.register_forward_hook(keep) for layer in network.encoder.layers]
    inputs = feature_extractor_of(case)(waveform.numpy(), sampling_rate=16000, return_tensors="pt")
    arguments = {"attention_mask": inputs["attention_mask"]} if case.startswith("w2v_bert") else {}
    last = network(inputs[network.main_input_name], **arguments).last_hidden_state[0]
    for hook in hooks:
        hook.remove()
    return [*outputs, last]


@every_case
def test_features_equal_those_of_transformers_at_every_layer(tmp_path, case):
    network = save_checkpoint(tmp_path, case)
    for waveform in noises([4000, 17777]):
        with torch.inference_mode():
            *expected, last = outputs_of_transformers(network, case, waveform)
            for layer, hidden in enumerate(expected, 1):
                encoder = pretrained_encoder(str(tmp_path), layer)
                features = encoder(waveform)
                assert encoder.dim == features.shape[1] and encoder.frame_rate == 50
                # transformers masks the last frame of w2v-BERT if it is half padding
                assert len(hidden) - len(features) in ((0, 1) if case.startswith("w2v_bert") else (0,))
                torch.testing.assert_close(features, hidden[: len(features)], rtol=1e-3, atol=1e-4)
            complete = pretrained_encoder(str(tmp_path), None)
            assert len(complete.network.encoder.layers) == 3 and complete.dim == last.shape[1]
            if case != "w2v_bert_adapter" or len(hidden) == len(features):
                features = complete(waveform)
                torch.testing.assert_close(features, last[: len(features)], rtol=1e-3, atol=1e-4)


@every_case
def test_batch_equals_single_utterances_bit_by_bit(tmp_path, case):
    save_checkpoint(tmp_path, case)
    encoder = pretrained_encoder(str(tmp_path), None if "adapter" in case else 2)
    shortest = encoder.min_samples
    waveforms = noises([shortest, shortest + 1, 9000, 31000, 720 + shortest, 5001])
    with torch.inference_mode():
        in_float32 = [encoder(waveform) for waveform in waveforms]
        batch = encoder.batch(waveforms)
        assert all(torch.equal(alone, row) for alone, row in zip(in_float32, batch, strict=True))
        encoder.use_bfloat16()
        in_bfloat16 = [encoder(waveform) for waveform in waveforms]
        batch = encoder.batch(waveforms)
        assert all(torch.equal(alone, row) for alone, row in zip(in_bfloat16, batch, strict=True))
        error = torch.cat(in_bfloat16) - torch.cat(in_float32)
        assert 0 < error.square().mean().sqrt() < 0.05 * torch.cat(in_float32).std()


@every_case
def test_units_are_saved_and_loaded(tmp_path, case):
    save_checkpoint(tmp_path / "whole", case)
    encoder = pretrained_encoder(str(tmp_path / "whole"), None if "adapter" in case else 2)
    waveforms = noises([16000, 40000])
    quantizer = KMeans(8, encoder.dim)
    with torch.inference_mode():
        quantizer.centroids.copy_(torch.cat(encoder.batch(waveforms))[:8])
    units = PhoneticUnits(encoder, quantizer)
    units.save(tmp_path / "units")
    again = PhoneticUnits.load(tmp_path / "units")
    assert again.checksum() == units.checksum() and again.stream == units.stream
    assert [again.encode(row).tolist() for row in waveforms] == [units.encode(row).tolist() for row in waveforms]
    with torch.inference_mode():
        assert torch.equal(again.encoder(waveforms[0]), encoder(waveforms[0]))


@pytest.mark.parametrize("case", ["wav2vec2_adapter", "w2v_bert_adapter"])
def test_an_adapter_lowers_the_rate(tmp_path, case):
    save_checkpoint(tmp_path, case)
    encoder = pretrained_encoder(str(tmp_path), None)
    assert (encoder.frame_rate, encoder.dim) == (12.5, 24)
    assert len(encoder(noises([160000])[0])) == 125
    assert len(encoder(noises([encoder.min_samples])[0])) == 1
    assert encoder.first_frame_seconds == pytest.approx(pretrained_encoder(str(tmp_path), 3).first_frame_seconds)


def test_the_class_follows_the_type_of_the_network(tmp_path):
    save_checkpoint(tmp_path / "wavlm", "wavlm")
    save_checkpoint(tmp_path / "w2v_bert", "w2v_bert")
    save_whisper(tmp_path / "whisper")
    assert type(pretrained_encoder(str(tmp_path / "wavlm"), 1)) is HubertEncoder
    assert type(pretrained_encoder(str(tmp_path / "w2v_bert"), 1)) is W2vBertEncoder
    assert type(pretrained_encoder(str(tmp_path / "whisper"), 1)) is WhisperEncoder


def test_the_sample_rate_is_that_of_the_feature_extractor(tmp_path):
    save_checkpoint(tmp_path, "hubert", sampling_rate=24000)
    encoder = pretrained_encoder(str(tmp_path), 1)
    assert (encoder.sample_rate, encoder.frame_rate) == (24000, 75)
    encoder.save_weights(tmp_path / "again")
    assert pretrained_encoder(str(tmp_path / "again"), 1).sample_rate == 24000


def test_filter_banks_equal_those_of_the_feature_extractor():
    extractor = transformers.SeamlessM4TFeatureExtractor()
    for waveform in [*noises([560, 16000, 17777]), torch.zeros(4000)]:
        expected = extractor(waveform.numpy(), sampling_rate=16000, return_tensors="pt").input_features[0]
        features = StackedFilterbanks(extractor)(waveform)
        torch.testing.assert_close(features, expected[: len(features)], rtol=1e-3, atol=1e-3)


def test_other_networks_are_refused_with_the_supported_ones(tmp_path):
    transformers.SEWModel(transformers.SEWConfig(**WAVEFORM | {"conv_dim": (16,) * 13})).save_pretrained(tmp_path)
    with pytest.raises(ValueError, match="is a checkpoint of model_type 'sew'; supported here: hubert, .*, whisper"):
        pretrained_encoder(str(tmp_path), 1)
    with pytest.raises(FileNotFoundError, match="no speech encoder at 'nowhere'"):
        pretrained_encoder("nowhere", 1)


def test_a_feature_extractor_that_does_not_fit_is_refused(tmp_path):
    save_checkpoint(tmp_path, "hubert")
    transformers.SeamlessM4TFeatureExtractor().save_pretrained(tmp_path)
    with pytest.raises(ValueError, match="is a SeamlessM4TFeatureExtractor, but the network takes waveforms"):
        pretrained_encoder(str(tmp_path), 1)
    save_checkpoint(tmp_path / "bert", "w2v_bert")
    transformers.SeamlessM4TFeatureExtractor(num_mel_bins=40).save_pretrained(tmp_path / "bert")
    with pytest.raises(ValueError, match="SeamlessM4TFeatureExtractor of 80 values a frame, but the network takes"):
        pretrained_encoder(str(tmp_path / "bert"), 1)


def test_missing_weights_are_refused(tmp_path):
    network = save_checkpoint(tmp_path, "hubert")
    state = network.state_dict()
    del state["encoder.layers.0.feed_forward.output_dense.weight"]
    network.save_pretrained(tmp_path, state_dict=state)
    with pytest.raises(ValueError, match="weight encoder.layers.0.feed_forward.output_dense.weight of HubertModel is"):
        pretrained_encoder(str(tmp_path), 2)

import pytest
import torch
from transformers import (
    BertConfig,
    BertForSequenceClassification,
    PreTrainedTokenizerFast,
    Wav2Vec2FeatureExtractor,
    Wav2Vec2ForSequenceClassification,
)

from tests.toy_tokens import words_vocabulary
from tests.toy_wav2vec2 import tiny_wav2vec2
from zoo.evaluation.judges.classifiers import (
    PretrainedSpeechClassifier,
    PretrainedTextClassifier,
    StyleJudge,
    VaderClassifier,
)
from zoo.speech.style_encoders import ProsodyStyleEncoder
from zoo.speech.style_units import StyleClassifier, StyleUnits

LABELS = {0: "Happy", 1: "SAD"}


@pytest.fixture(scope="module")
def speech_config():
    return tiny_wav2vec2(vocab_size=5, classifier_proj_size=8, num_labels=2, id2label=LABELS)


def test_a_text_classifier(tmp_path):
    tokenizer = words_vocabulary().text.tokenizer
    PreTrainedTokenizerFast(tokenizer_object=tokenizer.backend_tokenizer, pad_token="</s>").save_pretrained(tmp_path)
    model = BertForSequenceClassification(
        BertConfig(
            vocab_size=len(tokenizer),
            hidden_size=16,
            num_hidden_layers=1,
            num_attention_heads=2,
            intermediate_size=16,
            id2label=LABELS,
        )
    )
    with torch.no_grad():
        model.classifier.weight.zero_()
        model.classifier.bias.copy_(torch.tensor([0.0, 1.0]))
    model.save_pretrained(tmp_path)
    judge = PretrainedTextClassifier(str(tmp_path), {"sad": "negative"})
    assert judge("anna") == "negative" and judge.score("anna", "happy") == pytest.approx(1 / (1 + 2.71828), abs=1e-4)
    with pytest.raises(ValueError, match="no label 'toxic'; it has sad, happy"):
        judge.score("anna", "toxic")


def test_a_speech_classifier(tmp_path, speech_config):
    Wav2Vec2FeatureExtractor(sampling_rate=8000).save_pretrained(tmp_path)
    model = Wav2Vec2ForSequenceClassification(speech_config)
    with torch.no_grad():
        model.classifier.weight.zero_()
        model.classifier.bias.copy_(torch.tensor([1.0, 0.0]))
    model.save_pretrained(tmp_path)
    assert PretrainedSpeechClassifier(str(tmp_path), {"happy": "positive"})(torch.randn(16000), 16000) == "positive"


def test_a_style_classifier_of_the_zoo():
    torch.manual_seed(0)
    encoder = ProsodyStyleEncoder(dim=8)
    head = StyleClassifier(8, 2, hidden=4, labels=["happy", "sleepy"])
    with torch.no_grad():
        head.classifier.weight.zero_()
        head.classifier.bias.copy_(torch.tensor([1.0, 0.0]))
    judge = StyleJudge(StyleUnits(encoder, head), {"happy": "positive"})
    assert judge(torch.randn(16000), 16000) == judge(torch.randn(10), 8000) == "positive"
    with torch.no_grad():
        head.classifier.bias.copy_(torch.tensor([0.0, 1.0]))
    assert judge(torch.randn(16000), 16000) == "sleepy"
    with pytest.raises(ValueError, match="a classifier with labels"):
        StyleJudge(StyleUnits(encoder, StyleClassifier(8, 2)))


def test_vader_tells_sentiments_apart():
    pytest.importorskip("vaderSentiment", reason="vaderSentiment is not installed")
    judge = VaderClassifier()
    texts = ["What a wonderful day!", "This is terrible.", "The table is made of wood."]
    assert [judge(text) for text in texts] == ["positive", "negative", "neutral"]

import torch

from datamodules import TranscribedFeaturesDataModule
from tests.toy_features import DIM, write_toy_features
from zoo.speech.transcript_labels import Characters


def data(folder, **arguments):
    return TranscribedFeaturesDataModule(folder, Characters.load(folder), batch_frames=200, **arguments)


def test_a_batch_holds_features_and_labels_of_the_same_utterances(tmp_path):
    module = data(write_toy_features(tmp_path))
    store = module.train_store
    by_text = {row.text: number for number, row in enumerate(store.rows)}
    labels = module.labels
    for batch in list(module.training_batches(range(5))):
        assert batch["features"].shape[2] == DIM and batch["features"].shape[:2].numel() <= 200
        for row, text in enumerate(batch["texts"]):
            count = int(batch["frames"][row])
            assert torch.equal(batch["features"][row, :count], store.features(by_text[text]))
            assert labels.decode(batch["labels"][row, : batch["label_counts"][row]].tolist()) == text


def test_batches_depend_on_seed_and_number_alone(tmp_path):
    module = data(write_toy_features(tmp_path))
    first = [batch["texts"] for batch in module.training_batches(range(8))]
    assert [batch["texts"] for batch in module.training_batches(range(3, 8))] == first[3:]
    other = data(tmp_path, seed=1)
    assert [batch["texts"] for batch in other.training_batches(range(8))] != first


def test_every_utterance_is_trained_on_and_validated(tmp_path):
    module = data(write_toy_features(tmp_path), num_buckets=3)
    seen = {text for batch in module.training_batches(range(100)) for text in batch["texts"]}
    assert seen == {row.text for row in module.train_store.rows}
    validated = [text for batch in module.val_dataloader() for text in batch["texts"]]
    assert sorted(validated) == sorted(row.text for row in module.dev_store.rows)

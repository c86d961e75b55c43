"""Callback of vocoder training: judges listen to some validation utterances."""

from typing import Any

import lightning as L
import torch
from torch import Tensor

from zoo.evaluation.judges.speech_judges import JudgedSpeech, SpeechJudges, mean_scores
from zoo.evaluation.resynthesis import other_of_speaker
from zoo.ranges import Size


class SpeechJudgments(L.Callback):
    """Logs what judges say of generated validation utterances, such as ``val/word_error_rate``.

    The module's validation step must return ``generated``, (B, N), and the module must have an attribute
    ``sample_rate``. Word errors are counted in utterances that the validation set has from beginning to end, and the
    voice is compared with the recording of another utterance of the speaker.

    Args:
        judges: Judges of the speech.
        num_utterances: Number of utterances that are judged, the first ones.
        every_n_validations: Number of validations from one judgment to the next; the first validation is judged.
    """

    def __init__(self, judges: SpeechJudges, num_utterances: Size = 8, every_n_validations: Size = 1) -> None:
        if num_utterances < 1 or every_n_validations < 1:
            raise ValueError(
                f"num_utterances {num_utterances}, every_n_validations {every_n_validations}: want at least 1 of each"
            )
        self.judges = judges
        self.num_utterances = num_utterances
        self.every_n_validations = every_n_validations
        self.num_validations = 0
        self.generated: list[Tensor] = []
        self.batches: list[dict[str, Any]] = []

    def on_validation_batch_end(
        self,
        trainer: L.Trainer,
        pl_module: L.LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        is_due = self.num_validations % self.every_n_validations == 0
        if trainer.sanity_checking or not trainer.is_global_zero or not is_due:
            return
        if len(self.generated) < self.num_utterances:
            self.generated.append(outputs["generated"][0].float().cpu())
            self.batches.append(batch)

    def on_validation_epoch_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        if trainer.sanity_checking:
            return
        self.num_validations += 1
        if not self.generated:
            return
        others = other_of_speaker([str(int(batch["speaker"][0])) for batch in self.batches])
        speech = []
        for generated, batch, other in zip(self.generated, self.batches, others, strict=True):
            voice = None if other is None else self.batches[other]["waveform"][0].float().cpu()
            speech.append(JudgedSpeech(generated, voice, batch["text"][0], batch["language"][0]))
        sample_rate: Any = pl_module.sample_rate
        for name, value in mean_scores(self.judges(speech, sample_rate)).items():
            pl_module.log(f"val/{name}", torch.tensor(value), rank_zero_only=True)
        self.generated = []
        self.batches = []

    def state_dict(self) -> dict[str, int]:
        return {"num_validations": self.num_validations}

    def load_state_dict(self, state_dict: dict[str, int]) -> None:
        self.num_validations = state_dict["num_validations"]

"""Measure the speed of the vocoders at paper size, and the overhead of their LightningModule over a plain loop.

    python benchmarks/vocode.py [--seconds 4] [--rounds 3] [--steps 40] [--threads 2] [--device cuda]

The plain HiFi-GAN (``plain_hifigan.py``) has the same sizes and weights as ours, and keeps its weight norm. Methods
alternate, and the fastest round of each counts. Compare ratios of one run only: absolute speeds depend on the machine.
"""

import argparse
import os
import time
from collections.abc import Callable, Iterator

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import lightning as L
import torch
from plain_hifigan import PlainHiFiGAN
from torch import Tensor
from torch.utils.data import DataLoader, IterableDataset

from lightningmodules.vocoder import UnitVocoder
from zoo.vocoder import (
    Discriminators,
    DurationPredictor,
    HiFiGANGenerator,
    HiFiGANSizes,
    ISTFTGenerator,
    MultiPeriodDiscriminator,
    MultiScaleDiscriminator,
)
from zoo.vocoder.losses import adversarial_loss, discriminator_loss, duration_loss, feature_loss, mel_loss
from zoo.vocoder.mel import LogMel

WARMUP_STEPS = 5
PLAIN = "plain HiFi-GAN, with weight norm"
SIZES = {"streams": {"Hu": 501}, "unit_rate": 25, "num_speakers": 4, "num_styles": 26}
SMALL = {"streams": {"Hu": 100}, "unit_rate": 25, "num_speakers": 4, "embedding_dim": 32}


def copy_weights(plain: PlainHiFiGAN, ours: HiFiGANGenerator) -> None:
    """Copy the weights of the plain network; both have the same tensors in the same order."""
    names = ours.state_dict().keys()
    ours.load_state_dict(dict(zip(names, plain.state_dict().values(), strict=True)))


def fastest(methods: dict[str, Callable[[], object]], rounds: int) -> dict[str, float]:
    """Time of the fastest of several rounds in seconds, after one round of warm-up; methods alternate."""
    seconds: dict[str, list[float]] = {name: [] for name in methods}
    for number in range(rounds + 1):
        for name, method in methods.items():
            start = time.perf_counter()
            method()
            if torch.cuda.is_available():
                torch.cuda.synchronize()
            if number:
                seconds[name].append(time.perf_counter() - start)
    return {name: min(rounds_of_method) for name, rounds_of_method in seconds.items()}


def measure_synthesis(seconds: float, rounds: int, device: str) -> None:
    """Print parameters, real-time factor and speedup of each generator for ``seconds`` of random units."""
    torch.manual_seed(0)
    plain = PlainHiFiGAN().eval().to(device)
    hifigan = HiFiGANGenerator(**SIZES).eval().to(device)
    istft = ISTFTGenerator(**SIZES).eval().to(device)
    copy_weights(plain, hifigan)
    hifigan.remove_weight_norm()
    units = torch.randint(501, (1, round(25 * seconds)), device=device)
    index = torch.tensor([1], device=device)
    methods = {
        PLAIN: lambda: plain(units, index, index),
        "HiFiGANGenerator": lambda: hifigan({"Hu": units}, index, index),
        "ISTFTGenerator": lambda: istft({"Hu": units}, index, index),
    }
    with torch.inference_mode():
        difference = (methods[PLAIN]() - methods["HiFiGANGenerator"]()).abs().max().item()
        times = fastest(methods, rounds)
    place = f"{torch.get_num_threads()} threads" if device == "cpu" else device
    print(f"\nsynthesis of {seconds:g} s at paper size, {place}; both HiFi-GANs differ by {difference:.0e}")
    for (name, duration), network in zip(times.items(), (plain, hifigan, istft), strict=True):
        millions = sum(parameter.numel() for parameter in network.parameters()) / 1e6
        speedup = times[PLAIN] / duration
        print(f"  {name:<38} {millions:5.1f} M   real-time factor {duration / seconds:7.4f}   {speedup:6.2f} x")


class Batches(IterableDataset):
    """A few batches, repeated endlessly, so that data loading takes no time."""

    def __init__(self, count: int = 4, size: int = 8, length: int = 14) -> None:
        draw = torch.Generator().manual_seed(0)

        def index(high: int, *shape: int) -> Tensor:
            return torch.randint(high, shape, generator=draw)

        self.batches = [
            {
                "waveform": torch.randn(size, 640 * length, generator=draw) * 0.1,
                "units": {"Hu": index(100, size, length)},
                "speaker": index(4, size),
                "style": index(1, size),
                "run_units": index(100, size, 80),
                "run_frames": 1 + index(4, size, 80),
            }
            for _ in range(count)
        ]

    def __iter__(self) -> Iterator[dict]:
        while True:
            yield from self.batches


def make_networks() -> tuple[HiFiGANGenerator, DurationPredictor, Discriminators]:
    """A small generator, its duration predictor and its discriminators, always with the same weights."""
    torch.manual_seed(0)
    generator = HiFiGANGenerator(
        **SMALL,
        backbone=HiFiGANSizes(
            channels=64,
            upsample_rates=(20, 32),
            upsample_kernel_sizes=(40, 64),
            resblock_kernel_sizes=(3,),
            resblock_dilations=((1,),),
        ),
    )
    discriminators = Discriminators([MultiPeriodDiscriminator((3, 5, 11), 4, 32), MultiScaleDiscriminator(1, 16)])
    return generator, DurationPredictor(32), discriminators


def time_plain_loop(steps: int) -> float:
    """Time ``steps`` steps of a hand-written training loop, in seconds."""
    generator, durations, discriminators = make_networks()
    mel = LogMel()
    batches = iter(Batches())
    generator_optimizer = torch.optim.AdamW([*generator.parameters(), *durations.parameters()], 2e-4, (0.8, 0.99))
    discriminator_optimizer = torch.optim.AdamW(discriminators.parameters(), 2e-4, (0.8, 0.99))
    start = 0.0
    for number in range(steps + WARMUP_STEPS):
        if number == WARMUP_STEPS:
            start = time.perf_counter()
        batch = next(batches)
        real = batch["waveform"]
        generated = generator(batch["units"], batch["speaker"], batch["style"])

        discriminators.requires_grad_(True)
        discriminator_optimizer.zero_grad()
        discriminator_loss(discriminators(real), discriminators(generated.detach())).backward()
        discriminator_optimizer.step()

        discriminators.requires_grad_(False)
        generator_optimizer.zero_grad()
        with torch.no_grad():
            real_outputs = discriminators(real)
        outputs = discriminators(generated)
        frames = batch["run_frames"]
        predicted = durations(generator.phonetic(batch["run_units"]), frames > 0)
        loss = (
            45 * mel_loss(mel(real), mel(generated))
            + duration_loss(predicted, frames)
            + adversarial_loss(outputs)
            + 2 * feature_loss(real_outputs, outputs)
        )
        loss.backward()
        generator_optimizer.step()
    return time.perf_counter() - start


class StepTimer(L.Callback):
    """Measures the time from the end of the warm-up to the end of training, in seconds."""

    def on_train_batch_start(self, trainer: L.Trainer, module: L.LightningModule, batch: dict, batch_idx: int) -> None:
        if batch_idx == WARMUP_STEPS:
            self.start = time.perf_counter()

    def on_train_end(self, trainer: L.Trainer, module: L.LightningModule) -> None:
        self.seconds = time.perf_counter() - self.start


class BatchesDataModule(L.LightningDataModule):
    def train_dataloader(self) -> DataLoader:
        return DataLoader(Batches(), batch_size=None)


def time_lightning_loop(steps: int) -> float:
    """Time ``steps`` steps of the LightningModule, in seconds."""
    timer = StepTimer()
    trainer = L.Trainer(
        accelerator="cpu",
        logger=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        enable_checkpointing=False,
        max_steps=steps + WARMUP_STEPS,
        callbacks=[timer],
    )
    trainer.fit(UnitVocoder(*make_networks()), BatchesDataModule())
    return timer.seconds


def measure_training(steps: int, rounds: int) -> None:
    """Print steps per second of both training loops; they alternate, and the fastest round of each counts."""
    seconds: dict[str, list[float]] = {"plain loop": [], "LightningModule": []}
    for _ in range(rounds):
        seconds["plain loop"].append(time_plain_loop(steps))
        seconds["LightningModule"].append(time_lightning_loop(steps))
    baseline = min(seconds["plain loop"])
    print(f"\ntraining a small HiFi-GAN with discriminators, {torch.get_num_threads()} threads")
    for name, rounds_of_loop in seconds.items():
        duration = min(rounds_of_loop)
        print(f"  {name:<38} {steps / duration:8.2f} steps/s   {baseline / duration:6.3f} x")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=4.0, help="duration of the synthesized speech")
    parser.add_argument("--rounds", type=int, default=3, help="repetitions of each measurement")
    parser.add_argument("--steps", type=int, default=40, help="training steps; 0 skips training")
    parser.add_argument("--threads", type=int, default=2, help="CPU threads")
    parser.add_argument("--device", default="cpu", help="device for synthesis; training runs on the CPU")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    measure_synthesis(args.seconds, args.rounds, args.device)
    if args.steps:
        measure_training(args.steps, args.rounds)


if __name__ == "__main__":
    main()

"""How fast units become speech at paper size, and how much the LightningModule costs beside a plain training loop.

    python benchmarks/vocode.py [--seconds 4] [--rounds 3] [--steps 40] [--threads 2] [--device cuda]

The plain HiFi-GAN is of the same sizes and weights, written as HiFi-GAN is, with its weight norm left in. Ways take turns, and the
fastest round of each counts. Ratios of one run; the figures of another machine differ.
"""

import argparse
import os
import time
from collections.abc import Callable, Iterator

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import lightning as L
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.parametrizations import weight_norm
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

RATES, KERNELS, BLOCKS, DILATIONS = (5, 4, 4, 4, 2), (11, 8, 8, 8, 4), (3, 7, 11), (1, 3, 5)
SIZES = {"streams": {"Hu": 501}, "unit_rate": 25, "num_speakers": 4, "num_styles": 26}
SMALL = {"streams": {"Hu": 100}, "unit_rate": 25, "num_speakers": 4, "embedding_dim": 32}


class PlainHiFiGAN(nn.Module):
    """Unit HiFi-GAN of Spirit LM Base, as plainly as it can be written."""

    def __init__(self, channels: int = 512, dim: int = 128) -> None:
        super().__init__()
        self.units, self.speaker, self.style = nn.Embedding(501, dim), nn.Embedding(4, dim), nn.Embedding(26, dim)
        self.pre, self.ups, self.blocks = (
            weight_norm(nn.Conv1d(3 * dim, channels, 7, padding=3)),
            nn.ModuleList(),
            nn.ModuleList(),
        )
        for i, (rate, kernel) in enumerate(zip(RATES, KERNELS)):
            wide, narrow = channels // 2**i, channels // 2 ** (i + 1)
            self.ups.append(weight_norm(nn.ConvTranspose1d(wide, narrow, kernel, rate, padding=(kernel - rate) // 2)))
            for size in BLOCKS:
                dilated = [
                    weight_norm(nn.Conv1d(narrow, narrow, size, dilation=d, padding=d * (size // 2))) for d in DILATIONS
                ]
                plain = [weight_norm(nn.Conv1d(narrow, narrow, size, padding=size // 2)) for _ in DILATIONS]
                self.blocks.append(nn.ModuleList([nn.ModuleList(dilated), nn.ModuleList(plain)]))
        self.post = weight_norm(nn.Conv1d(channels // 2 ** len(RATES), 1, 7, padding=3))

    def forward(self, units: Tensor, speaker: Tensor, style: Tensor) -> Tensor:
        x = self.units(units)
        x = torch.cat(
            [
                x,
                *(
                    table(index).unsqueeze(1).expand_as(x)
                    for table, index in ((self.speaker, speaker), (self.style, style))
                ),
            ],
            dim=2,
        )
        x = self.pre(x.transpose(1, 2))
        for i, up in enumerate(self.ups):
            x, total = up(F.leaky_relu(x, 0.1)), None
            for block in self.blocks[i * len(BLOCKS) : (i + 1) * len(BLOCKS)]:
                y = x
                for dilated, plain in zip(*block):
                    y = y + plain(F.leaky_relu(dilated(F.leaky_relu(y, 0.1)), 0.1))
                total = y if total is None else total + y
            x = total / len(BLOCKS)
        return torch.tanh(self.post(F.leaky_relu(x, 0.01))).squeeze(1)


def copy_weights(plain: PlainHiFiGAN, ours: HiFiGANGenerator) -> None:
    """Both networks name the same tensors in the same order."""
    state, values = ours.state_dict(), list(plain.state_dict().values())
    ours.load_state_dict(dict(zip(state, values, strict=True)))


def fastest(ways: dict[str, Callable[[], object]], rounds: int) -> dict[str, float]:
    """Seconds of the fastest of several rounds, in which the ways take turns; one more before does not count."""
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for number in range(rounds + 1):
        for name, way in ways.items():
            start = time.perf_counter()
            way()
            if torch.cuda.is_available():
                torch.cuda.synchronize()
            if number:
                seconds[name].append(time.perf_counter() - start)
    return {name: min(found) for name, found in seconds.items()}


def speaking(seconds: float, rounds: int, device: str) -> None:
    torch.manual_seed(0)
    plain, ours, istft = (
        network.eval().to(device) for network in (PlainHiFiGAN(), HiFiGANGenerator(**SIZES), ISTFTGenerator(**SIZES))
    )
    copy_weights(plain, ours)
    ours.remove_weight_norm()
    units, index = torch.randint(501, (1, round(25 * seconds)), device=device), torch.tensor([1], device=device)
    with torch.inference_mode():
        difference = (plain(units, index, index) - ours({"Hu": units}, index, index)).abs().max().item()
        found = fastest(
            {
                "plain HiFi-GAN, weight norm left in": lambda: plain(units, index, index),
                "unit HiFi-GAN (ours)": lambda: ours({"Hu": units}, index, index),
                "inverse STFT (ours)": lambda: istft({"Hu": units}, index, index),
            },
            rounds,
        )
    base = found["plain HiFi-GAN, weight norm left in"]
    where = f"{torch.get_num_threads()} threads" if device == "cpu" else device
    print(f"\nspeaking {seconds:g} s at paper size, {where}; both HiFi-GANs differ by {difference:.0e}")
    for (name, took), network in zip(found.items(), (plain, ours, istft)):
        millions = sum(p.numel() for p in network.parameters()) / 1e6
        print(f"  {name:<38} {millions:5.1f} M   real-time factor {took / seconds:7.4f}   {base / took:6.2f} x")


class Batches(IterableDataset):
    """The same few batches again and again, so that reading takes no time."""

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


def networks() -> tuple[nn.Module, nn.Module, nn.Module]:
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
    judges = Discriminators([MultiPeriodDiscriminator((3, 5, 11), 4, 32), MultiScaleDiscriminator(1, 16)])
    return generator, DurationPredictor(32), judges


def plain_loop(steps: int) -> float:
    """Seconds of so many steps, written out by hand."""
    generator, durations, judges = networks()
    mel, batches = LogMel(), iter(Batches())
    trained = [*generator.parameters(), *durations.parameters()]
    first, second = (torch.optim.AdamW(group, 2e-4, (0.8, 0.99)) for group in (trained, judges.parameters()))
    start = 0.0
    for number in range(steps + 5):
        if number == 5:  # the first steps are a warm-up
            start = time.perf_counter()
        batch = next(batches)
        made = generator(batch["units"], batch["speaker"], batch["style"])
        judges.requires_grad_(True)
        second.zero_grad()
        discriminator_loss(judges(batch["waveform"]), judges(made.detach())).backward()
        second.step()
        judges.requires_grad_(False)
        first.zero_grad()
        with torch.no_grad():
            real = judges(batch["waveform"])
        judged, frames = judges(made), batch["run_frames"]
        predicted = durations(generator.phonetic(batch["run_units"]), frames > 0)
        (
            45 * mel_loss(mel(batch["waveform"]), mel(made))
            + duration_loss(predicted, frames)
            + adversarial_loss(judged)
            + 2 * feature_loss(real, judged)
        ).backward()
        first.step()
    return time.perf_counter() - start


class _Clock(L.Callback):
    def on_train_batch_start(self, trainer: L.Trainer, module: L.LightningModule, batch: dict, batch_idx: int) -> None:
        if batch_idx == 5:
            self.start = time.perf_counter()

    def on_train_end(self, trainer: L.Trainer, module: L.LightningModule) -> None:
        self.seconds = time.perf_counter() - self.start


class _Data(L.LightningDataModule):
    def train_dataloader(self) -> DataLoader:
        return DataLoader(Batches(), batch_size=None)


def lightning_loop(steps: int) -> float:
    """Seconds of so many steps of the LightningModule."""
    clock = _Clock()
    trainer = L.Trainer(
        accelerator="cpu",
        logger=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        enable_checkpointing=False,
        max_steps=steps + 5,
        callbacks=[clock],
    )
    trainer.fit(UnitVocoder(*networks()), _Data())
    return clock.seconds


def training(steps: int, rounds: int) -> None:
    seconds: dict[str, list[float]] = {"plain loop": [], "LightningModule": []}
    for _ in range(rounds):
        seconds["plain loop"].append(plain_loop(steps))
        seconds["LightningModule"].append(lightning_loop(steps))
    base = min(seconds["plain loop"])
    print(f"\ntraining a small HiFi-GAN with discriminators, {torch.get_num_threads()} threads")
    for name, found in seconds.items():
        print(f"  {name:<38} {steps / min(found):8.2f} steps/s   {base / min(found):6.3f} x")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=4.0, help="of speech")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=40, help="of training; 0 for none")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--device", default="cpu", help="that speaks; training is on the processor")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    speaking(args.seconds, args.rounds, args.device)
    if args.steps:
        training(args.steps, args.rounds)


if __name__ == "__main__":
    main()

"""How much faster items are scored in token trees than one at a time; all ways must give the same sums.

    python benchmarks/score.py [--items 40] [--rounds 5] [--run runs/quickstart] [--device cuda]

With ``--run``, the model of a run and its own cloze in all four directions. Then items are those of a 4-way cloze as long as StoryCloze: a prompt of four sentences (60 text tokens, or 240 speech tokens, some
13 seconds) and four endings (12, or 55), in each of the four directions, of random tokens. Ways take turns, and a ratio is the median of those of
each round, with the lowest and the highest: of the time that passed, and of the time that the processor worked on it, which says more on a busy machine. The last way has its weights in bfloat16, as
``zoo evaluate --precision bf16-true`` has; the number of items is told in which another ending wins by it.

On a GPU a network as large as Llama of 1B parameters is scored as well, and nothing in float32 is rounded to TF32.
"""

import argparse
import copy
import time
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path

import numpy as np
import torch
from transformers import DynamicCache, LlamaConfig, LlamaForCausalLM, PreTrainedModel

from zoo.evaluation.scoring.contrast import measure_accuracies
from zoo.evaluation.scoring.likelihood import log_likelihoods
from zoo.evaluation.scoring.token_trees import Candidate
from zoo.evaluation.suites.contrast_suite import load_contrasts
from zoo.language.speech_text_model import load_language_model
from zoo.tokenizers.speech_tokenizer import load_tokenizer

NETWORKS = {
    "quickstart: 3 layers of 128, 640 rows": LlamaConfig(
        vocab_size=640, hidden_size=128, num_hidden_layers=3, num_attention_heads=2, intermediate_size=352
    ),
    "larger: 8 layers of 512, 32512 rows": LlamaConfig(
        vocab_size=32_512, hidden_size=512, num_hidden_layers=8, num_attention_heads=8, intermediate_size=1376
    ),
}


ON_GPU = {
    "of a billion: 16 layers of 2048, 32512 rows": LlamaConfig(
        vocab_size=32_512, hidden_size=2048, num_hidden_layers=16, num_attention_heads=32, intermediate_size=8192
    )
}


def cloze(num_items: int, rows: int) -> list[Candidate]:
    """Both prompts of an item, text and speech, go on in text and in speech, with four continuations each."""
    draw, items = np.random.default_rng(0), []
    for _ in range(num_items):
        prompts = [
            np.concatenate([[0, marker], draw.integers(rows, size=length)]) for marker, length in ((1, 60), (2, 240))
        ]
        ends = {
            1: [draw.integers(rows, size=draw.integers(10, 15)) for _ in range(4)],
            2: [draw.integers(rows, size=draw.integers(45, 65)) for _ in range(4)],
        }
        for prompt in prompts:
            for marker, choices in ends.items():
                switch = [] if prompt[1] == marker else [marker]
                items += [Candidate(np.concatenate([prompt, switch]).astype(int), end) for end in choices]
    return items


def _sum(logits: torch.Tensor, targets: np.ndarray) -> float:
    wanted = torch.from_numpy(targets).to(logits.device)
    return torch.log_softmax(logits.float(), -1).gather(1, wanted[:, None]).double().sum().item()


@torch.inference_mode()
def one_at_a_time(network: PreTrainedModel, items: Sequence[Candidate]) -> np.ndarray:
    return np.array(
        [
            _sum(
                network(torch.from_numpy(item.ids)[None].to(network.device), use_cache=False).logits[
                    0, len(item.prompt) - 1 : -1
                ],
                item.continuation,
            )
            for item in items
        ]
    )


@torch.inference_mode()
def padded_batches(network: PreTrainedModel, items: Sequence[Candidate], batch_tokens: int = 4096) -> np.ndarray:
    """Whole candidates side by side, padded on the right, with logits everywhere."""
    order, sums = sorted(range(len(items)), key=lambda i: len(items[i].ids)), np.zeros(len(items))
    size = max(1, min(batch_tokens, (1 << 26) // network.config.vocab_size) // max(len(item.ids) for item in items))
    for start in range(0, len(order), size):
        batch = order[start : start + size]
        ids = torch.nn.utils.rnn.pad_sequence([torch.from_numpy(items[i].ids) for i in batch], batch_first=True).to(
            network.device
        )
        logits = network(ids, use_cache=False).logits
        for row, i in enumerate(batch):
            sums[i] = _sum(logits[row, len(items[i].prompt) - 1 : len(items[i].ids) - 1], items[i].continuation)
    return sums


@torch.inference_mode()
def cached_prompts(network: PreTrainedModel, items: Sequence[Candidate]) -> np.ndarray:
    """Each prompt once; its keys and values repeated for the continuations, which are padded on the right."""
    groups: dict[bytes, list[int]] = {}
    for number, item in enumerate(items):
        groups.setdefault(item.prompt.tobytes(), []).append(number)
    sums = np.zeros(len(items))
    for numbers in groups.values():
        cache = DynamicCache(config=network.config)
        first = network(
            torch.from_numpy(items[numbers[0]].prompt)[None].to(network.device), past_key_values=cache, logits_to_keep=1
        ).logits[0]
        cache.batch_repeat_interleave(len(numbers))
        ends = torch.nn.utils.rnn.pad_sequence(
            [torch.from_numpy(items[i].continuation) for i in numbers], batch_first=True
        ).to(network.device)
        logits = network(ends, past_key_values=cache).logits
        for row, i in enumerate(numbers):
            length = len(items[i].continuation)
            sums[i] = _sum(torch.cat([first, logits[row, : length - 1]]), items[i].continuation)
    return sums


@cache
def _bfloat16(network: PreTrainedModel) -> PreTrainedModel:
    return copy.deepcopy(network).bfloat16()


def in_bfloat16(way: Callable[..., np.ndarray]) -> Callable[[PreTrainedModel, Sequence[Candidate]], np.ndarray]:
    """The same with the weights in bfloat16."""
    return lambda network, items: way(_bfloat16(network), items)


def others_win(sums: np.ndarray, base: np.ndarray, choices: int) -> int:
    """In how many of the items, of so many candidates each, another wins."""
    return int((sums.reshape(-1, choices).argmax(1) != base.reshape(-1, choices).argmax(1)).sum())


def timed(
    way: Callable[[PreTrainedModel, Sequence[Candidate]], np.ndarray],
    network: PreTrainedModel,
    items: Sequence[Candidate],
) -> tuple[float, float, np.ndarray]:
    """Seconds that passed, seconds that the processor worked, and the sums."""
    start, worked = time.perf_counter(), time.process_time()
    sums = way(network, items)
    return time.perf_counter() - start, time.process_time() - worked, sums


def of_run(run: Path, limit: int) -> tuple[PreTrainedModel, list[Candidate]]:
    """Model of a run, and the candidates of its cloze in all directions."""
    network, vocabulary = load_language_model(run / "language_model" / "model")
    found: list[Candidate] = []
    contrasts = load_contrasts(
        run / "corpus" / "demo" / "suites" / "story_cloze.jsonl",
        load_tokenizer(run / "tokenizer" / "tokenizer"),
        vocabulary,
        limit,
    )
    measure_accuracies(lambda flat: found.extend(flat) or np.zeros(len(flat)), vocabulary, contrasts)
    return network, found


def compare(name: str, network: PreTrainedModel, items: Sequence[Candidate], choices: int, rounds: int) -> None:
    ways = {
        "one at a time": one_at_a_time,
        "padded batches": padded_batches,
        "cached prompts": cached_prompts,
        "token trees (ours)": log_likelihoods,
        "one at a time, bfloat16": in_bfloat16(one_at_a_time),
        "token trees, bfloat16": in_bfloat16(log_likelihoods),
    }
    place = torch.cuda.get_device_name() if network.device.type == "cuda" else f"{torch.get_num_threads()} threads"
    print(f"\n{name}; {len(items)} candidates, {place}, {rounds} rounds")
    for way in ways.values():
        way(network, items[:16])
    found = [{way: timed(run, network, items) for way, run in ways.items()} for _ in range(rounds)]
    base = found[0]["one at a time"][2]
    for way in ways:
        passed, worked = ([turn["one at a time"][clock] / turn[way][clock] for turn in found] for clock in (0, 1))
        seconds, sums = np.median([turn[way][0] for turn in found]), found[0][way][2]
        print(
            f"  {way:<24} {seconds:8.2f} s   {np.median(passed):5.1f} x ({min(passed):.1f} to {max(passed):.1f})   processor {np.median(worked):5.1f} x   "
            f"largest difference {np.abs(sums - base).max():.1e} nats of {np.abs(sums).mean():.0f}; "
            f"another wins in {others_win(sums, base, choices)} of {len(sums) // choices}",
            flush=True,
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--items",
        type=int,
        default=40,
        help="each is 16 candidates, or 8 of --run; a fifth of them for the larger network",
    )
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--device", default="cpu", help="such as cuda (default: %(default)s)")
    parser.add_argument("--run", type=Path, help="a run whose model and cloze are taken as well")
    args = parser.parse_args()
    if args.run:
        network, items = of_run(args.run, args.items)
        compare(f"{args.run}, its cloze", network.to(args.device), items, choices=2, rounds=args.rounds)
    for name, config in (NETWORKS | (ON_GPU if torch.device(args.device).type == "cuda" else {})).items():
        torch.manual_seed(0)
        with torch.device(args.device):
            network = LlamaForCausalLM(config).eval()
        compare(
            name,
            network,
            cloze(args.items if config.vocab_size < 1000 else max(1, args.items // 5), config.vocab_size),
            choices=4,
            rounds=args.rounds,
        )


if __name__ == "__main__":
    main()

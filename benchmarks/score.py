"""Measure the speed of scoring candidates in token trees against other methods; all must return the same sums.

    python benchmarks/score.py [--items 40] [--rounds 5] [--run runs/quickstart] [--device cuda]

With ``--run``, first the model of a run and its own cloze in all four directions. Then a 4-way cloze as long as
StoryCloze, of random tokens: a prompt of four sentences (60 text tokens, or 240 speech tokens, some 13 seconds) and
four endings (12, or 55), in each of the four directions. Methods alternate, and a ratio is the median over rounds, with
the lowest and the highest: of wall-clock time, and of CPU time, which is more reliable on a busy machine. The last
methods have weights in bfloat16, as ``zoo evaluate --precision bf16-true`` has; the number of items in which another
ending wins is printed.

On a GPU a network of the size of Llama with 1B parameters is scored as well, and nothing in float32 is rounded to TF32.
"""

import argparse
import copy
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import torch
from torch.nn.utils.rnn import pad_sequence
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
GPU_NETWORKS = {
    "1B parameters: 16 layers of 2048, 32512 rows": LlamaConfig(
        vocab_size=32_512, hidden_size=2048, num_hidden_layers=16, num_attention_heads=32, intermediate_size=8192
    )
}
TEXT_MARKER, SPEECH_MARKER = 1, 2
MAX_LOGITS = 1 << 26  # of a padded batch

Method = Callable[[PreTrainedModel, Sequence[Candidate]], np.ndarray]


@dataclass(frozen=True)
class Timing:
    """One round of one method: wall-clock and CPU time in seconds, and the sums of log-probabilities."""

    wall_seconds: float
    cpu_seconds: float
    sums: np.ndarray


def random_cloze(num_items: int, num_rows: int) -> list[Candidate]:
    """A text and a speech prompt per item, each with four continuations in text and four in speech."""
    draw = np.random.default_rng(0)
    candidates = []
    for _ in range(num_items):
        prompts = []
        for marker, length in ((TEXT_MARKER, 60), (SPEECH_MARKER, 240)):
            prompts.append(np.concatenate([[0, marker], draw.integers(num_rows, size=length)]))
        endings = {
            TEXT_MARKER: [draw.integers(num_rows, size=draw.integers(10, 15)) for _ in range(4)],
            SPEECH_MARKER: [draw.integers(num_rows, size=draw.integers(45, 65)) for _ in range(4)],
        }
        for prompt in prompts:
            for marker, choices in endings.items():
                switch = [] if prompt[1] == marker else [marker]
                context = np.concatenate([prompt, switch]).astype(int)
                candidates += [Candidate(context, ending) for ending in choices]
    return candidates


def sum_log_probabilities(logits: torch.Tensor, targets: np.ndarray) -> float:
    """Sum of the log-probabilities of ``targets`` (T,) under ``logits`` (T, V)."""
    ids = torch.from_numpy(targets).to(logits.device)
    return torch.log_softmax(logits.float(), -1).gather(1, ids[:, None]).double().sum().item()


@torch.inference_mode()
def one_at_a_time(network: PreTrainedModel, candidates: Sequence[Candidate]) -> np.ndarray:
    """Score each candidate in a forward pass of its own."""
    sums = []
    for candidate in candidates:
        ids = torch.from_numpy(candidate.ids)[None].to(network.device)
        logits = network(ids, use_cache=False).logits[0, len(candidate.prompt) - 1 : -1]
        sums.append(sum_log_probabilities(logits, candidate.continuation))
    return np.array(sums)


def pad(sequences: Sequence[np.ndarray], device: torch.device) -> torch.Tensor:
    """Ids of several lengths as one tensor (B, T), padded on the right."""
    return pad_sequence([torch.from_numpy(ids) for ids in sequences], batch_first=True).to(device)


@torch.inference_mode()
def padded_batches(network: PreTrainedModel, candidates: Sequence[Candidate], batch_tokens: int = 4096) -> np.ndarray:
    """Score batches of candidates sorted by length and padded, with logits at all positions."""
    order = sorted(range(len(candidates)), key=lambda index: len(candidates[index].ids))
    sums = np.zeros(len(candidates))
    longest = max(len(candidate.ids) for candidate in candidates)
    size = max(1, min(batch_tokens, MAX_LOGITS // network.config.vocab_size) // longest)
    for start in range(0, len(order), size):
        batch = order[start : start + size]
        ids = pad([candidates[index].ids for index in batch], network.device)
        logits = network(ids, use_cache=False).logits
        for row, index in enumerate(batch):
            candidate = candidates[index]
            positions = slice(len(candidate.prompt) - 1, len(candidate.ids) - 1)
            sums[index] = sum_log_probabilities(logits[row, positions], candidate.continuation)
    return sums


@torch.inference_mode()
def cached_prompts(network: PreTrainedModel, candidates: Sequence[Candidate]) -> np.ndarray:
    """Compute each prompt once, and repeat its keys and values for its continuations, which are padded."""
    groups: dict[bytes, list[int]] = {}
    for index, candidate in enumerate(candidates):
        groups.setdefault(candidate.prompt.tobytes(), []).append(index)
    sums = np.zeros(len(candidates))
    for indices in groups.values():
        prompt = torch.from_numpy(candidates[indices[0]].prompt)[None].to(network.device)
        keys_and_values = DynamicCache(config=network.config)
        first = network(prompt, past_key_values=keys_and_values, logits_to_keep=1).logits[0]
        keys_and_values.batch_repeat_interleave(len(indices))
        endings = pad([candidates[index].continuation for index in indices], network.device)
        logits = network(endings, past_key_values=keys_and_values).logits
        for row, index in enumerate(indices):
            continuation = candidates[index].continuation
            logits_of_ending = torch.cat([first, logits[row, : len(continuation) - 1]])
            sums[index] = sum_log_probabilities(logits_of_ending, continuation)
    return sums


@cache
def to_bfloat16(network: PreTrainedModel) -> PreTrainedModel:
    return copy.deepcopy(network).bfloat16()


def in_bfloat16(method: Method) -> Method:
    """The same method with the weights in bfloat16."""

    def score(network: PreTrainedModel, candidates: Sequence[Candidate]) -> np.ndarray:
        return method(to_bfloat16(network), candidates)

    return score


BASELINE = "one at a time"
METHODS: dict[str, Method] = {
    BASELINE: one_at_a_time,
    "padded batches": padded_batches,
    "cached prompts": cached_prompts,
    "token trees (ours)": log_likelihoods,
    "one at a time, bfloat16": in_bfloat16(one_at_a_time),
    "token trees, bfloat16": in_bfloat16(log_likelihoods),
}


def num_changed_winners(sums: np.ndarray, reference: np.ndarray, num_choices: int) -> int:
    """Number of items in which another of ``num_choices`` candidates has the highest sum."""
    winners = sums.reshape(-1, num_choices).argmax(1)
    return int((winners != reference.reshape(-1, num_choices).argmax(1)).sum())


def measure(method: Method, network: PreTrainedModel, candidates: Sequence[Candidate]) -> Timing:
    wall = time.perf_counter()
    cpu = time.process_time()
    sums = method(network, candidates)
    return Timing(time.perf_counter() - wall, time.process_time() - cpu, sums)


def load_run(run: Path, limit: int) -> tuple[PreTrainedModel, list[Candidate]]:
    """The language model of a run, and the candidates of its story cloze in all directions."""
    network, vocabulary = load_language_model(run / "language_model" / "model")
    suite = run / "corpus" / "demo" / "suites" / "story_cloze.jsonl"
    tokenizer = load_tokenizer(run / "tokenizer" / "tokenizer")
    contrasts = load_contrasts(suite, tokenizer, vocabulary, limit)
    candidates: list[Candidate] = []

    def collect(batch: Sequence[Candidate]) -> np.ndarray:
        candidates.extend(batch)
        return np.zeros(len(batch))

    measure_accuracies(collect, vocabulary, contrasts)
    return network, candidates


def compare(
    title: str, network: PreTrainedModel, candidates: Sequence[Candidate], num_choices: int, num_rounds: int
) -> None:
    """Print time, speedup and agreement of each method."""
    place = torch.cuda.get_device_name() if network.device.type == "cuda" else f"{torch.get_num_threads()} threads"
    print(f"\n{title}; {len(candidates)} candidates, {place}, {num_rounds} rounds")
    for method in METHODS.values():
        method(network, candidates[:16])
    rounds = []
    for _ in range(num_rounds):
        rounds.append({name: measure(method, network, candidates) for name, method in METHODS.items()})
    for name in METHODS:
        print_method(name, rounds, num_choices)


def print_method(name: str, rounds: Sequence[dict[str, Timing]], num_choices: int) -> None:
    reference = rounds[0][BASELINE].sums
    sums = rounds[0][name].sums
    seconds = np.median([timings[name].wall_seconds for timings in rounds])
    wall = [timings[BASELINE].wall_seconds / timings[name].wall_seconds for timings in rounds]
    cpu = [timings[BASELINE].cpu_seconds / timings[name].cpu_seconds for timings in rounds]
    changed = num_changed_winners(sums, reference, num_choices)
    print(
        f"  {name:<24} {seconds:8.2f} s   {np.median(wall):5.1f} x ({min(wall):.1f} to {max(wall):.1f})   "
        f"CPU time {np.median(cpu):5.1f} x   largest difference {np.abs(sums - reference).max():.1e} nats of "
        f"{np.abs(sums).mean():.0f}; another ending wins in {changed} of {len(sums) // num_choices}",
        flush=True,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--items",
        type=int,
        default=40,
        help="16 candidates each, or 8 with --run; a fifth of them for the larger networks (default: %(default)s)",
    )
    parser.add_argument("--rounds", type=int, default=5, help="repetitions of each measurement")
    parser.add_argument("--device", default="cpu", help="such as cuda (default: %(default)s)")
    parser.add_argument("--run", type=Path, help="a run whose model and cloze are measured as well")
    args = parser.parse_args()
    if args.run:
        network, candidates = load_run(args.run, args.items)
        compare(f"{args.run}, its cloze", network.to(args.device), candidates, 2, args.rounds)
    networks = NETWORKS | (GPU_NETWORKS if torch.device(args.device).type == "cuda" else {})
    for title, config in networks.items():
        torch.manual_seed(0)
        with torch.device(args.device):
            network = LlamaForCausalLM(config).eval()
        num_items = args.items if config.vocab_size < 1000 else max(1, args.items // 5)
        compare(title, network, random_cloze(num_items, config.vocab_size), 4, args.rounds)


if __name__ == "__main__":
    main()

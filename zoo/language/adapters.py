"""Adapters beside a base network: what is trained in place of all weights; saved, loaded by name, switched and merged."""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import torch
from peft import LoraConfig, PeftModel, TaskType, TrainableTokensConfig, get_peft_model
from torch import Tensor
from transformers import PreTrainedModel

from zoo.files import write_text
from zoo.language.networks import from_checkpoint, from_run
from zoo.tokens.contract import read_contract, require_match, write_contract
from zoo.tokens.vocabulary import Vocabulary

CONFIG, BASE = "adapter_config.json", "base.json"
ATTENTION = ("q_proj", "k_proj", "v_proj", "o_proj")


def lora(
    network: PreTrainedModel,
    rank: int = 16,
    alpha: float = 32.0,
    targets: Sequence[str] = ATTENTION,
    dropout: float = 0.0,
    use_dora: bool = False,
    use_rslora: bool = False,
    new_rows: Vocabulary | None = None,
    also_rows: Sequence[int] = (),
) -> PeftModel:
    """Freeze a network and return it with low-rank adapters that learn (Hu et al. 2021).

    Args:
        network: As a builder in ``zoo.language.networks`` returns it.
        rank: Of the two matrices beside each target.
        alpha: The product is scaled by ``alpha / rank``.
        targets: Last names of the linear layers that are adapted.
        dropout: On the input of the adapters.
        use_dora: Learn the length of each output column apart from its direction (Liu et al. 2024).
        use_rslora: Scale by ``alpha / sqrt(rank)`` instead (Kalajdzievski 2023).
        new_rows: The rows of embedding and head for its markers and units learn too, those of its text pieces do not;
            if None, embedding and head are frozen.
        also_rows: Ids of text pieces whose rows learn besides, such as those that only a new language uses.

    Raises:
        ValueError: Where no layer has one of the names.
    """
    linear = {name.split(".")[-1] for name, _ in network.named_modules()}
    missing = [name for name in targets if name not in linear]
    if missing:
        raise ValueError(
            f"targets {missing}: {type(network).__name__} has no layer of that name; it has {sorted(n for n in linear if n.endswith('proj'))}"
        )
    learning = sorted({*also_rows, *(() if new_rows is None else _new_rows(new_rows))})
    rows = dict.fromkeys(_matrices(network), learning) if learning else None
    return get_peft_model(
        network,
        LoraConfig(
            task_type=TaskType.CAUSAL_LM,
            r=rank,
            lora_alpha=alpha,
            target_modules=list(targets),
            lora_dropout=dropout,
            use_dora=use_dora,
            use_rslora=use_rslora,
            trainable_token_indices=rows,
        ),
    )


def new_rows_only(network: PreTrainedModel, vocabulary: Vocabulary) -> PeftModel:
    """Freeze a network but for the rows of embedding and head that stand for markers and units.

    Args:
        network: As ``zoo.language.networks.from_checkpoint`` returns it.
        vocabulary: Tells the new rows.
    """
    return get_peft_model(
        network,
        TrainableTokensConfig(
            task_type=TaskType.CAUSAL_LM, token_indices=_new_rows(vocabulary), target_modules=_matrices(network)
        ),
    )


def save_adapter(
    network: PeftModel,
    folder: Path,
    vocabulary: Vocabulary,
    contract: Mapping[str, object],
    state: Mapping[str, Tensor] | None = None,
) -> None:
    """Write the active adapter as PEFT does, with the token contract and how its base is made beside it.

    Args:
        network: With an adapter.
        folder: Gets ``adapter_config.json``, ``adapter_model.safetensors``, ``base.json``, the vocabulary and the contract.
        vocabulary: Of the ids.
        contract: Of the tokens it was trained on.
        state: Whole weights by name, where the network holds only shards of them.
    """
    name = network.active_adapter
    network.save_pretrained(
        folder, selected_adapters=[name], save_embedding_layers=False, state_dict=None if state is None else dict(state)
    )
    if name != "default":  # PEFT puts any other into a folder of its own
        for path in (folder / name).iterdir():
            path.rename(folder / path.name)
        (folder / name).rmdir()
    (folder / "README.md").unlink(missing_ok=True)  # PEFT's empty model card
    base = {"source": network.get_base_model().name_or_path, "rope_theta": _rope_theta(network)}
    write_text(folder / BASE, json.dumps(base, indent=2) + "\n")
    vocabulary.save(folder)
    write_contract(folder, dict(contract))


def is_adapter(folder: Path) -> bool:
    """Whether a ``model`` folder holds an adapter rather than a whole network."""
    return (folder / CONFIG).is_file()


def load_adapted(folder: Path, base: str | None = None, name: str = "default") -> PeftModel:
    """Load an adapter together with its base.

    Args:
        folder: As ``save_adapter`` wrote it.
        base: Name or folder of the base, where it is no longer where it was in training.
        name: Of the adapter, to switch to.

    Raises:
        FileNotFoundError: Where the folder holds no adapter.
        ContractError: Where base and adapter were made for different tokens.
    """
    _require_adapter(folder)
    made = (
        json.loads((folder / BASE).read_text()) if (folder / BASE).is_file() else {"source": None, "rope_theta": None}
    )
    source, vocabulary = base or made["source"], Vocabulary.load(folder)
    if not source:
        raise ValueError(f"{folder / BASE} does not name the base of this adapter: give its name or folder")
    if (Path(source) / "vocabulary.json").is_file():  # a speech-text model
        require_match(Path(source), folder)
        network = from_run(Path(source), vocabulary)
    else:
        network = from_checkpoint(source, vocabulary, made["rope_theta"])
    return PeftModel.from_pretrained(network, folder, adapter_name=name).eval()


def add_adapter(network: PreTrainedModel | PeftModel, of: Path, folder: Path, name: str) -> PeftModel:
    """Load one more adapter into a network and make it the active one.

    Args:
        network: A base, or a base with adapters.
        of: Folder of the model or adapter that the network was loaded from; its contract must be the adapter's.
        folder: As ``save_adapter`` wrote it.
        name: To switch to it by.

    Raises:
        FileNotFoundError: Where the folder holds no adapter.
        ContractError: Where it was trained on other tokens.
        ValueError: Where an adapter of that name is there already, or the adapter fits another network.
    """
    _require_adapter(folder)
    require_match(of, folder)
    try:
        if not isinstance(network, PeftModel):
            return PeftModel.from_pretrained(network, folder, adapter_name=name).eval()
        if name in network.peft_config:
            raise ValueError(f"there is an adapter named {name!r} already: choose another name for {folder}")
        network.load_adapter(folder, name)
    except RuntimeError as error:
        raise ValueError(
            f"{folder} was trained beside another network than {of}: {str(error).splitlines()[-1].strip()}"
        ) from error
    network.set_adapter(name)
    return network.eval()


def switch(network: PeftModel, name: str) -> None:
    """Make the adapter of this name the active one.

    Raises:
        ValueError: Where there is none.
    """
    if name not in network.peft_config:
        raise ValueError(f"no adapter is named {name!r}; loaded are {sorted(network.peft_config)}")
    network.set_adapter(name)


@contextmanager
def only_base(network: PreTrainedModel | PeftModel) -> Iterator[None]:
    """Within the block the network speaks as its base does, without any adapter."""
    if not isinstance(network, PeftModel):
        yield
        return
    with network.disable_adapter():
        yield


def merged(network: PeftModel) -> PreTrainedModel:
    """Write the active adapter into the weights of the base, and return that: the same outputs, without the adapter's cost."""
    whole = network.merge_and_unload()
    whole.tie_weights()
    return whole


def save_language_model(
    network: PreTrainedModel | PeftModel,
    folder: Path,
    vocabulary: Vocabulary,
    contract: Mapping[str, object],
    state: Mapping[str, Tensor] | None = None,
) -> None:
    """Write what has been trained: the adapter where there is one, otherwise the whole network, as transformers does.

    Args:
        network: After training.
        folder: Gets the weights, the vocabulary and the contract.
        vocabulary: Of the ids.
        contract: Of the tokens it was trained on.
        state: Whole weights by name, where the network holds only shards of them.
    """
    if isinstance(network, PeftModel):
        save_adapter(network, folder, vocabulary, contract, state)
        return
    network.save_pretrained(folder, state_dict=None if state is None else dict(state))
    vocabulary.save(folder)
    write_contract(folder, dict(contract))


def merge_adapter(folder: Path, out: Path, base: str | None = None) -> None:
    """Write an adapter and its base as one whole model.

    Args:
        folder: As ``save_adapter`` wrote it.
        out: Gets the model.
        base: Name or folder of the base, where it is no longer where it was in training.
    """
    save_language_model(merged(load_adapted(folder, base)), out, Vocabulary.load(folder), read_contract(folder))


def _require_adapter(folder: Path) -> None:
    if not is_adapter(folder):
        raise FileNotFoundError(f"no {CONFIG} in {folder}: name the `model` folder of a stage that trained an adapter")


def _new_rows(vocabulary: Vocabulary) -> list[int]:
    return list(range(vocabulary.num_text, vocabulary.num_rows))


def _matrices(network: PreTrainedModel) -> list[str]:
    """Names of embedding and head; of the embedding alone where they are one matrix, which PEFT then ties too."""
    embedding, head = network.get_input_embeddings(), network.get_output_embeddings()
    if getattr(head, "bias", None) is not None:
        raise ValueError(
            f"the head of {type(network).__name__} has a bias, beside which single rows cannot be trained: use LoRA without new_rows"
        )
    wanted = [embedding] if embedding.weight is head.weight else [embedding, head]
    return [name.split(".")[-1] for name, module in network.named_modules() if module in wanted]


def _rope_theta(network: torch.nn.Module) -> float | None:
    rope = getattr(network.config.get_text_config(), "rope_parameters", None) or {}
    return rope.get("full_attention", rope).get("rope_theta")

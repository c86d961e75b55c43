"""Adapters of a frozen network: trained in place of all weights, saved, loaded by name, activated and merged."""

import json
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from peft import LoraConfig, PeftModel, TaskType, TrainableTokensConfig, get_peft_model
from torch import Tensor, nn
from transformers import PreTrainedModel
from transformers.pytorch_utils import Conv1D

from zoo.files import read_json_object, reading, write_text
from zoo.language.adapter_rows import embedding_names, keep_head_bias, load_new_rows, new_row_ids, save_new_rows
from zoo.language.adapter_weights import base_of, loading_adapter, path_beside, require_adapter, require_adapter_weights
from zoo.language.embedding_initializers import NormalRows
from zoo.language.embedding_rows import text_config
from zoo.language.networks import from_checkpoint, from_run
from zoo.ranges import NonNegativeInt, PositiveFloat, Share, Size
from zoo.tokens.contract import read_contract, require_match, write_contract
from zoo.tokens.vocabulary import Vocabulary

BASE = "base.json"
ATTENTION = ("q_proj", "k_proj", "v_proj", "o_proj")


def lora(
    network: PreTrainedModel,
    rank: Size = 16,
    alpha: PositiveFloat = 32.0,
    targets: Sequence[str] | None = ATTENTION,
    dropout: Share = 0.0,
    use_dora: bool = False,
    use_rslora: bool = False,
    new_rows: Vocabulary | None = None,
    text_rows: Sequence[NonNegativeInt] = (),
) -> PeftModel:
    """Freeze a network and return it with trainable low-rank adapters (Hu et al. 2021).

    Args:
        network: Network as a builder in ``zoo.language.networks`` returns it.
        rank: Inner dimension of the two matrices beside each target.
        alpha: Numerator of the scale ``alpha / rank`` of their product.
        targets: Last names of the linear layers that get an adapter; None for all of them but the head.
        dropout: Dropout probability on the input of the adapters.
        use_dora: Whether to train the norm of each output column separately from its direction (Liu et al. 2024).
        use_rslora: Whether to scale by ``alpha / sqrt(rank)`` instead (Kalajdzievski 2023).
        new_rows: Vocabulary whose markers and units have their rows of embedding and head trained too. Defaults to
            frozen embedding and head.
        text_rows: Ids of text tokens whose rows are trained too, such as those that only a new language uses.

    Raises:
        ValueError: If no linear layer has one of the names in ``targets``.
    """
    layers = linear_layers(network)
    if targets is None:
        targets = layers
    missing = [name for name in targets if name not in layers]
    if missing:
        raise ValueError(
            f"targets {missing}: {type(network).__name__} has no linear layer of that name; it has {layers}"
        )
    row_ids = set(text_rows)
    if new_rows is not None:
        row_ids.update(new_row_ids(new_rows))
    trainable_rows = dict.fromkeys(embedding_names(network), sorted(row_ids)) if row_ids else None
    adapted = get_peft_model(
        network,
        LoraConfig(
            task_type=TaskType.CAUSAL_LM,
            r=rank,
            lora_alpha=alpha,  # pyrefly: ignore[bad-argument-type]  # PEFT declares int and takes any number
            target_modules=list(targets),
            lora_dropout=dropout,
            use_dora=use_dora,
            use_rslora=use_rslora,
            trainable_token_indices=trainable_rows,
        ),
    )
    keep_head_bias(adapted)
    return adapted


def linear_layers(network: PreTrainedModel) -> list[str]:
    """Return the last names of the linear layers of a network, without the head, in alphabetical order.

    These are the names that ``targets`` of ``lora`` may list; those of GPT-2 are its ``Conv1D`` layers.
    """
    head = network.get_output_embeddings()
    names = set()
    for name, module in network.named_modules():
        if isinstance(module, (nn.Linear, Conv1D)) and module is not head:
            names.add(name.split(".")[-1])
    return sorted(names)


def new_rows_only(network: PreTrainedModel, vocabulary: Vocabulary) -> PeftModel:
    """Freeze a network except for the rows of embedding and head that stand for markers and units.

    Args:
        network: Network as ``zoo.language.networks.from_checkpoint`` returns it.
        vocabulary: Vocabulary of the network.
    """
    adapted = get_peft_model(
        network,
        TrainableTokensConfig(
            task_type=TaskType.CAUSAL_LM,
            token_indices=new_row_ids(vocabulary),
            target_modules=embedding_names(network),
        ),
    )
    keep_head_bias(adapted)
    return adapted


def save_adapter(
    network: PeftModel,
    folder: Path,
    vocabulary: Vocabulary,
    contract: Mapping[str, object],
    state: Mapping[str, Tensor] | None = None,
) -> None:
    """Write the active adapter as PEFT does, together with the token contract and a description of its base.

    Args:
        network: Network with an adapter.
        folder: Folder to fill with ``adapter_config.json``, ``adapter_model.safetensors``, ``base.json``, the
            vocabulary and the contract.
        vocabulary: Vocabulary of the network.
        contract: Contract of the tokens that the adapter was trained on.
        state: Whole weights by name, if the network is sharded.
    """
    name = network.active_adapter
    network.save_pretrained(
        str(folder),
        selected_adapters=[name],
        save_embedding_layers=False,
        state_dict=None if state is None else dict(state),
    )
    if name != "default":  # PEFT writes an adapter of another name to a subfolder
        for path in (folder / name).iterdir():
            path.rename(folder / path.name)
        (folder / name).rmdir()
    (folder / "README.md").unlink(missing_ok=True)  # an empty model card of PEFT
    source = str(network.get_base_model().name_or_path)
    base = {"source": source, "rope_theta": _rope_theta(network), **path_beside(source, folder)}
    write_text(folder / BASE, json.dumps(base, indent=2) + "\n")
    if not (Path(source) / "vocabulary.json").is_file():  # a text model, without rows for speech
        save_new_rows(network, vocabulary, folder, state)
    vocabulary.save(folder)
    write_contract(folder, dict(contract))


def load_adapted(folder: Path | str, base: str | None = None, name: str = "default") -> PeftModel:
    """Load an adapter together with its base.

    Args:
        folder: Folder that ``save_adapter`` wrote.
        base: Name or folder of the base. Defaults to where it was in training.
        name: Name of the adapter in the network.

    Raises:
        FileNotFoundError: If the folder contains no adapter.
        ContractError: If base and adapter were trained on different tokens.
        ValueError: Neither ``base`` nor the folder names the base.
    """
    folder = Path(folder)
    require_adapter(folder)
    rope_theta = None
    if (folder / BASE).is_file():
        description = read_json_object(folder / BASE)
        with reading(folder / BASE):
            base = base or base_of(description, folder)
            rope_theta = description["rope_theta"]
    vocabulary = Vocabulary.load(folder)
    if not base:
        raise ValueError(f"{folder / BASE} does not name the base of this adapter: give its name or folder")
    if (Path(base) / "vocabulary.json").is_file():  # a speech-text model
        require_match(Path(base), folder)
        network = from_run(Path(base), vocabulary)
    else:
        # The rows are those that training began with; the adapter replaces those that it trained.
        network = from_checkpoint(base, vocabulary, rope_theta, NormalRows())
        load_new_rows(network, vocabulary, folder)
    return _with_adapter(network, folder, name, base)


def add_adapter(network: PreTrainedModel | PeftModel, source: Path, folder: Path, name: str) -> PeftModel:
    """Load one more adapter into a network and activate it.

    Args:
        network: A base, with or without adapters.
        source: Folder of the model or adapter that the network was loaded from; its contract must be the adapter's.
        folder: Folder that ``save_adapter`` wrote.
        name: Name of the adapter in the network.

    Raises:
        FileNotFoundError: If the folder contains no adapter.
        ContractError: If the adapter was trained on other tokens.
        ValueError: If the network has an adapter of that name, or the adapter was trained for another network.
    """
    require_adapter(folder)
    require_match(source, folder)
    if not isinstance(network, PeftModel):
        return _with_adapter(network, folder, name, source)
    if name in network.peft_config:
        raise ValueError(f"the network already has an adapter named {name!r}: choose another name for {folder}")
    with loading_adapter(folder, source):
        network.load_adapter(folder, name)
        require_adapter_weights(network, folder, name)
    keep_head_bias(network)
    network.set_adapter(name)
    return network.eval()


def activate_adapter(network: PeftModel, name: str) -> None:
    """Activate the adapter of this name in place of the active one.

    Raises:
        ValueError: If the network has no such adapter.
    """
    if name not in network.peft_config:
        raise ValueError(f"no adapter is named {name!r}; loaded are {sorted(network.peft_config)}")
    network.set_adapter(name)


@contextmanager
def without_adapter(network: PreTrainedModel | PeftModel) -> Generator[None, None, None]:
    """Disable all adapters of a network for the duration of a context, so that its outputs are those of its base."""
    if not isinstance(network, PeftModel):
        yield
        return
    with network.disable_adapter():
        yield


def merged(network: PeftModel) -> PreTrainedModel:
    """Add the active adapter to the weights of the base, and return the base: equal outputs at the base's cost."""
    base = network.merge_and_unload()
    base.tie_weights()
    return base


def save_language_model(
    network: PreTrainedModel | PeftModel,
    folder: Path | str,
    vocabulary: Vocabulary,
    contract: Mapping[str, object],
    state: Mapping[str, Tensor] | None = None,
) -> None:
    """Write what was trained: the adapter if there is one, otherwise the whole network as transformers does.

    Args:
        network: Trained network.
        folder: Folder to fill with the weights, the vocabulary and the contract.
        vocabulary: Vocabulary of the network.
        contract: Contract of the tokens that the network was trained on.
        state: Whole weights by name, if the network is sharded.
    """
    folder = Path(folder)
    if isinstance(network, PeftModel):
        save_adapter(network, folder, vocabulary, contract, state)
        return
    network.save_pretrained(folder, state_dict=None if state is None else dict(state))
    vocabulary.save(folder)
    write_contract(folder, dict(contract))


def merge_adapter(folder: Path | str, out: Path | str, base: str | None = None) -> None:
    """Write an adapter, merged into its base, as a whole model.

    Args:
        folder: Folder that ``save_adapter`` wrote.
        out: Folder to fill with the model.
        base: Name or folder of the base. Defaults to where it was in training.
    """
    folder = Path(folder)
    out = Path(out)
    save_language_model(merged(load_adapted(folder, base)), out, Vocabulary.load(folder), read_contract(folder))


def _with_adapter(network: PreTrainedModel, folder: Path, name: str, base: str | Path) -> PeftModel:
    with loading_adapter(folder, base):
        adapted = PeftModel.from_pretrained(network, folder, adapter_name=name)
        require_adapter_weights(adapted, folder, name)
    keep_head_bias(adapted)
    return adapted.eval()


def _rope_theta(network: PeftModel) -> float | None:
    rope = getattr(text_config(network), "rope_parameters", None) or {}
    return rope.get("full_attention", rope).get("rope_theta")

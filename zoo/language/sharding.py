"""Weights, gradients and optimizer state sharded over devices with FSDP2."""

import os

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.distributed.checkpoint.state_dict import StateDictOptions, get_model_state_dict
from torch.distributed.device_mesh import DeviceMesh
from torch.distributed.fsdp import FSDPModule, MixedPrecisionPolicy, fully_shard
from torch.distributed.tensor import DTensor
from transformers import PreTrainedModel

from zoo.language.calibrated_rows import CalibratedRows
from zoo.language.embedding_rows import EmbeddingInitializer
from zoo.language.networks import from_checkpoint, layers
from zoo.ranges import RotaryBase, Seed
from zoo.tokens.vocabulary import Vocabulary

# Environment variables in which torchrun, SLURM and Lightning's own launcher number the processes, by precedence.
RANKS = ("RANK", "SLURM_PROCID", "LOCAL_RANK")


def from_checkpoint_once(
    source: str,
    vocabulary: Vocabulary,
    rope_theta: RotaryBase | None = None,
    initializer: EmbeddingInitializer = CalibratedRows(),
    seed: Seed = 0,
) -> PreTrainedModel:
    """Return ``from_checkpoint`` in float32 in the first process, and a network on the meta device in the others.

    ``shard`` copies the weights from the first process to the others. Main memory therefore holds the weights once,
    however many devices there are: 27 GB for 7 billion of them.

    Args:
        source: Name or folder of any causal transformers checkpoint.
        vocabulary: Vocabulary built over the text tokenizer of the same checkpoint.
        rope_theta: Base of the rotary positions. Defaults to the checkpoint's own.
        initializer: Initializes the embedding rows of markers and units.
        seed: Seed of the new rows.
    """
    if _rank() == "0":
        return from_checkpoint(source, vocabulary, rope_theta, initializer, seed)
    with torch.device("meta"):
        return from_checkpoint(source, vocabulary, rope_theta, initializer, seed)


def _rank() -> str:
    for name in RANKS:
        if name in os.environ:
            return os.environ[name]
    return "0"


def shard(module: nn.Module, mesh: DeviceMesh, dtype: torch.dtype | None) -> None:
    """Shard a module in place over the devices of a mesh, layer by layer, with the weights of the first process.

    A module that is already sharded is left as it is.

    Args:
        module: Module that contains the network and whose forward pass is the only way it is called.
        mesh: Mesh with one dimension of devices.
        dtype: Data type of weights and activations during a pass; gradients are summed in float32. Defaults to that
            of the weights.
    """
    if isinstance(module, FSDPModule):
        return
    policy = MixedPrecisionPolicy(param_dtype=dtype, reduce_dtype=torch.float32)
    for part in [*layers(module), module]:
        _broadcast_weights(part, mesh)
        fully_shard(part, mesh=mesh, mp_policy=policy)


@torch.no_grad()
def _broadcast_weights(part: nn.Module, mesh: DeviceMesh) -> None:
    """Move what is not sharded yet to the device of this process, with the values of the first process."""
    if mesh.device_type == "cpu":
        device = torch.device("cpu")
    else:
        device = torch.device(mesh.device_type, torch.accelerator.current_device_index())
    moved: dict[int, Tensor] = {}  # by the id of the tensor that is replaced, so that tied weights stay one tensor
    for owner, name, tensor in _unsharded_tensors(part):
        if id(tensor) not in moved:
            if tensor.is_meta:
                copy = torch.empty_like(tensor, device=device)
            else:
                copy = tensor.detach().to(device).contiguous()
            dist.broadcast(copy, group=mesh.get_group(), group_src=0)
            if isinstance(tensor, nn.Parameter):
                copy = nn.Parameter(copy, tensor.requires_grad)
            moved[id(tensor)] = copy
        setattr(owner, name, moved[id(tensor)])


def _unsharded_tensors(part: nn.Module) -> list[tuple[nn.Module, str, Tensor]]:
    """Return the parameters and buffers that are not sharded yet, each with the module that owns it and its name.

    All are collected before any is replaced: the tensors stay alive, so that none gets the id of another.
    """
    tensors = []
    for owner in part.modules():
        for name, tensor in [*owner.named_parameters(recurse=False), *owner.named_buffers(recurse=False)]:
            if not isinstance(tensor, DTensor):
                tensors.append((owner, name, tensor))
    return tensors


def whole_state(module: nn.Module) -> dict[str, Tensor] | None:
    """Gather the weights of a sharded module in the memory of the first process, tied ones once.

    Every process must call it.

    Returns:
        The weights by name; empty in all processes but the first; None if the module is not sharded.
    """
    if not any(isinstance(submodule, FSDPModule) for submodule in module.modules()):
        return None
    all_names = {name for name, _ in module.named_parameters(remove_duplicate=False)}
    tied_names = all_names - {name for name, _ in module.named_parameters()}
    state = get_model_state_dict(module, options=StateDictOptions(full_state_dict=True, cpu_offload=True))
    weights = {}
    for name, weight in state.items():
        if name not in tied_names:
            assert isinstance(weight, Tensor), f"{name} is a {type(weight).__name__}"
            weights[name] = weight
    return weights

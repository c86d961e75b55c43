"""Weights, gradients and optimizer state spread over devices: FSDP2."""

import os

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.distributed.checkpoint.state_dict import StateDictOptions, get_model_state_dict
from torch.distributed.device_mesh import DeviceMesh
from torch.distributed.fsdp import FSDPModule, MixedPrecisionPolicy, fully_shard
from torch.distributed.tensor import DTensor
from transformers import PreTrainedModel

from zoo.language.embedding_initializers import EmbeddingInitializer, NormalRows
from zoo.language.networks import from_checkpoint, layers
from zoo.tokens.vocabulary import Vocabulary

# How torchrun, SLURM and Lightning's own launcher number the processes; the first that is there counts.
RANKS = ("RANK", "SLURM_PROCID", "LOCAL_RANK")


def pretrained_once(
    source: str,
    vocabulary: Vocabulary,
    rope_theta: float | None = None,
    rows: EmbeddingInitializer = NormalRows(),
    seed: int = 0,
) -> PreTrainedModel:
    """Return ``from_checkpoint`` in float32 in the first process and its shapes alone in the others, which ``shard`` fills from the first.

    The weights are in the main memory once, however many devices there are: 27 GB for 7 billion of them.

    Args:
        source: Name or folder of any causal transformers checkpoint.
        vocabulary: Built over the text tokenizer of the same checkpoint.
        rope_theta: Base of the rotary positions; the checkpoint's own if None.
        rows: Draws the rows of markers and units.
        seed: Of the new rows.
    """
    if next((os.environ[name] for name in RANKS if name in os.environ), "0") == "0":
        return from_checkpoint(source, vocabulary, rope_theta, rows, seed)
    with torch.device("meta"):
        return from_checkpoint(source, vocabulary, rope_theta, rows, seed)


def shard(module: nn.Module, mesh: DeviceMesh, dtype: torch.dtype | None) -> None:
    """Give every process the weights of the first, and spread them over the devices of a mesh, layer by layer, in place; once.

    Args:
        module: Holds the network and is called for every pass over it.
        mesh: One dimension of devices.
        dtype: Of weights and activations within a pass; gradients are summed in float32. That of the weights if None.
    """
    if isinstance(module, FSDPModule):
        return
    policy = MixedPrecisionPolicy(param_dtype=dtype, reduce_dtype=torch.float32)
    for part in [*layers(module), module]:
        _take_from_first(part, mesh)
        fully_shard(part, mesh=mesh, mp_policy=policy)


@torch.no_grad()
def _take_from_first(part: nn.Module, mesh: DeviceMesh) -> None:
    """Bring what is not yet sharded to the device, with the content that the first process has."""
    device = (
        torch.device("cpu")
        if mesh.device_type == "cpu"
        else torch.device(mesh.device_type, torch.accelerator.current_device_index())
    )
    places = [
        (owner, name, tensor)
        for owner in part.modules()
        for name, tensor in [*owner.named_parameters(recurse=False), *owner.named_buffers(recurse=False)]
        if not isinstance(tensor, DTensor)
    ]
    here: dict[int, Tensor] = {}  # by the tensor that was in its place, so that tied weights stay one
    for owner, name, tensor in places:
        if id(tensor) not in here:
            moved = (
                torch.empty_like(tensor, device=device) if tensor.is_meta else tensor.detach().to(device).contiguous()
            )
            dist.broadcast(moved, group=mesh.get_group(), group_src=0)
            here[id(tensor)] = nn.Parameter(moved, tensor.requires_grad) if isinstance(tensor, nn.Parameter) else moved
        setattr(owner, name, here[id(tensor)])


def whole_state(module: nn.Module) -> dict[str, Tensor] | None:
    """Collect the weights of a sharded module, tied ones once, in the memory of the first process; None where nothing is sharded.

    Every process must take part. In all but the first the result is empty.
    """
    if not any(isinstance(each, FSDPModule) for each in module.modules()):
        return None
    again = {name for name, _ in module.named_parameters(remove_duplicate=False)} - {
        name for name, _ in module.named_parameters()
    }
    state = get_model_state_dict(module, options=StateDictOptions(full_state_dict=True, cpu_offload=True))
    return {name: weight for name, weight in state.items() if name not in again}

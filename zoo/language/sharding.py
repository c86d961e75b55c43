"""Weights, gradients and optimizer state spread over devices: FSDP2."""
import torch
from torch import nn
from torch.distributed.device_mesh import DeviceMesh
from torch.distributed.checkpoint.state_dict import StateDictOptions, get_model_state_dict
from torch.distributed.fsdp import FSDPModule, MixedPrecisionPolicy, fully_shard
from torch import Tensor

from zoo.language.networks import layers


def shard(module: nn.Module, mesh: DeviceMesh, dtype: torch.dtype | None) -> None:
    """Spread a module over the devices of a mesh, layer by layer, in place; once.

    Args:
        module: Holds the network and is called for every pass over it.
        mesh: One dimension of devices.
        dtype: Of weights and activations within a pass; gradients are summed in float32. That of the weights if None.
    """
    if isinstance(module, FSDPModule):
        return
    policy = MixedPrecisionPolicy(param_dtype=dtype, reduce_dtype=torch.float32)
    for layer in layers(module):
        fully_shard(layer, mesh=mesh, mp_policy=policy)
    fully_shard(module, mesh=mesh, mp_policy=policy)


def whole_state(module: nn.Module) -> dict[str, Tensor] | None:
    """Collect the weights of a sharded module in the memory of the first process; None where nothing is sharded.

    Every process must take part. In all but the first the result is empty.
    """
    if not any(isinstance(each, FSDPModule) for each in module.modules()):
        return None
    return get_model_state_dict(module, options=StateDictOptions(full_state_dict=True, cpu_offload=True))

"""The cross entropy of the next token, over as many logits at a time as memory allows."""

from collections.abc import Iterator
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from zoo.language.positions import Positions, RowPositions

# Factors between hidden states and logits of other architectures, which are not read here.
UNKNOWN_SCALES = ("lm_head_multiplier",)


class TokenLosses(NamedTuple):
    """Cross entropies in nats; a tuple, in which FSDP finds the tensors whose backward pass it must prepare.

    Args:
        mean: Of all predicted tokens, (); this is what is trained on.
        tokens: Of each token given those before it, (B, T - 1), without a gradient.
    """

    mean: Tensor
    tokens: Tensor


class NextTokenLoss(nn.Module):
    """A causal network with its loss: ids in, losses out.

    Logits are made for ``chunk_tokens`` tokens at a time, and so are their gradients, in the forward pass: the logits of a
    batch never stand whole in memory, and nothing is computed twice.

    Args:
        network: A causal transformers model, adapters or not.
        positions: What a token may attend to.
        chunk_tokens: Tokens whose logits are in memory at once.

    Raises:
        ValueError: Where the network's logits are not what its head makes of its hidden states.
    """

    def __init__(self, network: nn.Module, positions: Positions = RowPositions(), chunk_tokens: int = 1024) -> None:
        super().__init__()
        if chunk_tokens < 1:
            raise ValueError(f"chunk_tokens must be at least 1, got {chunk_tokens}")
        config = network.config.get_text_config()
        for name in UNKNOWN_SCALES:
            if getattr(config, name, None) not in (None, 1, 1.0):
                raise ValueError(
                    f"{type(network).__name__} scales its logits by {name}, which this loss does not know: use another checkpoint"
                )
        self.network, self.positions, self.chunk_tokens = network, positions, chunk_tokens
        self.scale = (getattr(config, "logit_scale", None) or 1.0) / (getattr(config, "logits_scaling", None) or 1.0)
        self.softcap = getattr(config, "final_logit_softcapping", None)

    def forward(self, ids: Tensor) -> TokenLosses:
        """Losses of ids (B, T)."""
        # Without a cache: it would cost memory, and hide from transformers where documents begin.
        hidden = self.network.get_decoder()(
            input_ids=ids, position_ids=self.positions(ids), use_cache=False
        ).last_hidden_state  # (B, T, D)
        hidden, targets = hidden[:, :-1].flatten(0, 1), ids[:, 1:].flatten()
        if torch.is_grad_enabled():
            weights = [weight for weight in self.network.get_output_embeddings().parameters() if weight.requires_grad]
            mean, losses = _ChunkedCrossEntropy.apply(self, hidden, targets, *weights)
        else:
            losses = torch.cat(
                [
                    F.cross_entropy(self.logits(states), wanted, reduction="none")
                    for states, wanted in self.chunks(hidden, targets)
                ]
            )
            mean = losses.mean()
        return TokenLosses(mean, losses.view(len(ids), -1))

    def chunks(self, hidden: Tensor, targets: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
        """Hidden states (N, D) and targets (N,), as many at a time as logits may be in memory."""
        return zip(hidden.split(self.chunk_tokens), targets.split(self.chunk_tokens))

    def logits(self, hidden: Tensor) -> Tensor:
        """Hidden states (N, D) to logits (N, V) in float32."""
        logits = self.network.get_output_embeddings()(hidden).float()
        logits = logits if self.scale == 1.0 else logits * self.scale
        return logits if self.softcap is None else self.softcap * torch.tanh(logits / self.softcap)


class _ChunkedCrossEntropy(torch.autograd.Function):
    """Mean cross entropy whose gradient is made along with it, chunk by chunk; only the gradients wait for the backward pass."""

    @staticmethod
    def forward(
        ctx: Any, loss: NextTokenLoss, hidden: Tensor, targets: Tensor, *weights: Tensor
    ) -> tuple[Tensor, Tensor]:
        sums = [torch.zeros_like(weight, dtype=torch.float32) for weight in weights]
        losses, parts = [], []
        for states, wanted in loss.chunks(hidden, targets):
            with torch.enable_grad():
                states = states.detach().requires_grad_()
                each = F.cross_entropy(loss.logits(states), wanted, reduction="none")  # (N,)
            part, *gradients = torch.autograd.grad(each, [states, *weights], torch.full_like(each, 1 / len(hidden)))
            losses.append(each.detach())
            parts.append(part)
            for total, gradient in zip(sums, gradients):
                total += gradient
        ctx.save_for_backward(torch.cat(parts), *(total.to(weight.dtype) for total, weight in zip(sums, weights)))
        losses = torch.cat(losses)
        ctx.mark_non_differentiable(losses)
        return losses.mean(), losses

    @staticmethod
    def backward(ctx: Any, gradient: Tensor, _: Tensor) -> tuple[Tensor | None, ...]:
        hidden, *weights = ctx.saved_tensors
        return None, hidden * gradient, None, *(weight * gradient for weight in weights)

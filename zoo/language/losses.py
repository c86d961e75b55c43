"""Cross entropy of the next token, computed in chunks so that the logits of a batch are never all in memory."""

from collections.abc import Iterator
from typing import Any, NamedTuple

import torch
from peft import PeftModel
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import PreTrainedModel

from zoo.language.document_positions import Positions, RowPositions
from zoo.language.embedding_rows import text_config
from zoo.ranges import Size

# Factors between hidden states and logits in other architectures, which this loss does not apply.
UNKNOWN_SCALES = ("lm_head_multiplier",)
IGNORED = -100  # target without a loss


class TokenLosses(NamedTuple):
    """Cross entropies in nats; a tuple because FSDP looks in tuples for the tensors whose backward pass it prepares.

    Args:
        mean: Mean over all predicted tokens, (); this is what is trained on.
        tokens: Cross entropy of each token given those before it, (B, T - 1), without a gradient.
    """

    mean: Tensor
    tokens: Tensor


class NextTokenLoss(nn.Module):
    """A causal network together with its loss: ids in, losses out.

    Logits and their gradients are computed for ``chunk_tokens`` tokens at a time, both in the forward pass: the logits
    of a batch are never in memory all at once, and nothing is computed twice.

    Args:
        network: A causal transformers model, with or without adapters.
        positions: What a token may attend to.
        chunk_tokens: Number of tokens whose logits are in memory at once, at least 1.

    Raises:
        ValueError: If the network scales its logits by a factor that this loss does not apply, or attends across
            documents that ``positions`` separate, or ``chunk_tokens`` is below 1.
    """

    network: PreTrainedModel | PeftModel

    def __init__(
        self,
        network: PreTrainedModel | PeftModel,
        positions: Positions = RowPositions(),
        chunk_tokens: Size = 1024,
    ) -> None:
        super().__init__()
        if chunk_tokens < 1:
            raise ValueError(f"chunk_tokens must be at least 1, got {chunk_tokens}")
        config = text_config(network)
        for name in UNKNOWN_SCALES:
            if getattr(config, name, None) not in (None, 1, 1.0):
                raise ValueError(
                    f"{type(network).__name__} scales its logits by {name}, which this loss does not know: "
                    "use another checkpoint"
                )
        positions.check(network)
        self.network = network
        self.positions = positions
        self.chunk_tokens = chunk_tokens
        self.scale = (getattr(config, "logit_scale", None) or 1.0) / (getattr(config, "logits_scaling", None) or 1.0)
        self.softcap = getattr(config, "final_logit_softcapping", None)

    @property
    def head(self) -> nn.Module:
        """The layer that turns hidden states into logits."""
        head = self.network.get_output_embeddings()
        assert head is not None, f"{type(self.network).__name__} is no causal language model"
        return head

    def forward(self, ids: Tensor, num_rows: int | None = None) -> TokenLosses:
        """Return the losses of ids (B, T).

        Args:
            ids: Token ids, (B, T).
            num_rows: Number of rows of the head, from the first, among which the next token is predicted, without a
                gradient; the losses of other tokens are 0. Defaults to all.
        """
        # No cache: it would cost memory, and keep transformers from seeing where documents start.
        decoder = self.network.get_decoder()
        output = decoder(input_ids=ids, position_ids=self.positions(ids), use_cache=False)
        hidden = output.last_hidden_state[:, :-1].flatten(0, 1)  # (B * (T - 1), D)
        targets = ids[:, 1:].flatten()
        if torch.is_grad_enabled() and num_rows is None:
            weights = [weight for weight in self.head.parameters() if weight.requires_grad]
            mean, losses = _ChunkedCrossEntropy.apply(self, hidden, targets, *weights)
        else:
            chunk_losses = []
            if num_rows is not None:
                targets = targets.masked_fill(targets >= num_rows, IGNORED)
            for chunk_hidden, chunk_targets in self.chunks(hidden, targets):
                logits = self.logits(chunk_hidden)[:, :num_rows]
                chunk_losses.append(F.cross_entropy(logits, chunk_targets, reduction="none", ignore_index=IGNORED))
            losses = torch.cat(chunk_losses)
            mean = losses.mean()
        return TokenLosses(mean, losses.view(len(ids), -1))

    def chunks(self, hidden: Tensor, targets: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
        """Split hidden states (N, D) and targets (N,) into chunks of at most ``chunk_tokens`` tokens."""
        return zip(hidden.split(self.chunk_tokens), targets.split(self.chunk_tokens), strict=True)

    def logits(self, hidden: Tensor) -> Tensor:
        """Return the logits (N, V) of hidden states (N, D), in float32."""
        return self.scaled(self.head(hidden).float())

    def scaled(self, logits: Tensor) -> Tensor:
        """Return logits after the scale and the soft cap of the network's configuration."""
        if self.scale != 1.0:
            logits = logits * self.scale
        if self.softcap is not None:
            logits = self.softcap * torch.tanh(logits / self.softcap)
        return logits


class _ChunkedCrossEntropy(torch.autograd.Function):
    """Mean cross entropy whose gradient is computed in the forward pass, chunk by chunk.

    Only the gradients of the hidden states and of the head's weights are kept for the backward pass, which multiplies
    them by the incoming gradient.
    """

    @staticmethod
    def forward(
        ctx: Any, loss: NextTokenLoss, hidden: Tensor, targets: Tensor, *weights: Tensor
    ) -> tuple[Tensor, Tensor]:
        # Gradients of the weights are summed over the chunks in float32, whatever the weights are stored in.
        weight_gradients = [torch.zeros_like(weight, dtype=torch.float32) for weight in weights]
        hidden_gradients = []
        losses = []
        for chunk_hidden, chunk_targets in loss.chunks(hidden, targets):
            with torch.enable_grad():
                chunk_hidden = chunk_hidden.detach().requires_grad_()
                chunk_losses = F.cross_entropy(loss.logits(chunk_hidden), chunk_targets, reduction="none")  # (N,)
            mean_gradient = torch.full_like(chunk_losses, 1 / len(hidden))  # of the mean over all chunks
            hidden_gradient, *gradients = torch.autograd.grad(chunk_losses, [chunk_hidden, *weights], mean_gradient)
            losses.append(chunk_losses.detach())
            hidden_gradients.append(hidden_gradient)
            for total, gradient in zip(weight_gradients, gradients, strict=True):
                total += gradient
        stored = [total.to(weight.dtype) for total, weight in zip(weight_gradients, weights, strict=True)]
        ctx.save_for_backward(torch.cat(hidden_gradients), *stored)
        all_losses = torch.cat(losses)
        ctx.mark_non_differentiable(all_losses)
        return all_losses.mean(), all_losses

    @staticmethod
    def backward(ctx: Any, *output_gradients: Tensor) -> tuple[Tensor | None, ...]:
        gradient = output_gradients[0]  # of the mean; the losses of single tokens have none
        hidden_gradient, *weight_gradients = ctx.saved_tensors
        return None, hidden_gradient * gradient, None, *(weight * gradient for weight in weight_gradients)

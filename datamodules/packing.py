"""Pack documents of token ids one after another into training rows of equal length."""

import numpy as np

from datamodules.document_order import DocumentOrder
from zoo.tokens.documents import Form


class PackedStream:
    """Training rows of ``length`` ids, filled with documents of one form; row ``n`` is a pure function of (seed, n).

    The documents of an epoch are laid end to end in a random order by their expected lengths, and the resulting line is
    divided into rows. A row is filled from the first document that starts in it; the last document is cut off at the
    end of the row.

    Args:
        form: Makes the documents.
        length: Number of ids in a row.
        seed: Seed of the order of the documents and of the random choices within them.

    Raises:
        ValueError: No utterance can take the form.
    """

    def __init__(self, form: Form, length: int, seed: int) -> None:
        if not len(form.rows):
            raise ValueError(f"no utterance can be read as {type(form).__name__}: it lacks text, speech or word times")
        self.form = form
        self.length = length
        self.seed = seed
        self.rows_per_epoch = max(1, int(form.lengths.sum()) // length)
        self.order = DocumentOrder(form.rows, form.lengths, seed)

    def row(self, number: int) -> np.ndarray:
        """Return the ids (length,) of row ``number``, counted over all epochs."""
        epoch, row_of_epoch = divmod(number, self.rows_per_epoch)
        position = row_of_epoch * self.length  # expected position of the row in the ids of the epoch
        group = self.order.group_at(epoch, position)
        utterances, document_starts = self.order.documents(epoch, group)
        # Keyed by the number of the row, so that its random choices do not depend on the rows made before it.
        draw = np.random.Generator(np.random.Philox(key=[self.seed, number]))
        document = int(np.searchsorted(document_starts, position))
        parts = []
        remaining = self.length
        while remaining > 0:
            if document == len(utterances):  # continue with the next group, and after the last group with the first
                group = (group + 1) % self.order.num_groups
                document = 0
                utterances, _ = self.order.documents(epoch, group)
            ids = self.form.document(int(utterances[document]), draw)[:remaining]
            parts.append(ids)
            remaining -= len(ids)
            document += 1
        return np.concatenate(parts)

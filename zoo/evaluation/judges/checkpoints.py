"""Checkpoints of judges, checked before they are loaded."""

from pathlib import Path

from zoo.pretrained_networks import check_checkpoint


def require_checkpoint(kind: str, checkpoint: str) -> None:
    """Check that a checkpoint that looks like a folder is one with a model of transformers, and brings no code.

    Args:
        kind: What the checkpoint is used as, for the message.
        checkpoint: Folder, or name on the hub, ``owner/name``, which is not checked.

    Raises:
        FileNotFoundError: If the folder does not exist, or has no ``config.json``.
        ValueError: If its configuration would load code of the hub, or a file of the folder is cut off or foreign.
    """
    folder = Path(checkpoint)
    if folder.is_dir() and not (folder / "config.json").is_file():
        raise FileNotFoundError(f"{kind} {checkpoint}: the folder has no config.json: name one that transformers saved")
    is_hub_name = checkpoint.count("/") <= 1 and not checkpoint.startswith((".", "/", "~"))
    if not folder.is_dir() and not is_hub_name:
        raise FileNotFoundError(f"{kind} {checkpoint}: no such folder: name a folder, or a checkpoint of the hub")
    check_checkpoint(checkpoint)

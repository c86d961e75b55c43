"""``log.txt`` of a stage: what the program's loggers and Python's warnings say while it runs."""

import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from recipes.engine.targets import PROJECT

FORMAT = "%(asctime)s %(levelname)s %(name)s: %(message)s"


@contextmanager
def stage_log(path: Path) -> Iterator[None]:
    """Append everything logged at INFO and above to ``path``; show this project's warnings on the terminal too."""
    file = logging.FileHandler(path, encoding="utf-8")
    file.setFormatter(logging.Formatter(FORMAT))
    file.setLevel(logging.INFO)
    file.handleError = lambda record: None  # a full disk is told by the stage itself
    terminal = logging.StreamHandler(sys.stderr)
    terminal.setFormatter(logging.Formatter("%(levelname)s: %(message)s"))
    terminal.setLevel(logging.WARNING)
    ours = [logging.getLogger(name) for name in PROJECT]
    apart = _apart()
    for logger in ours:
        logger.setLevel(logging.INFO)
        logger.addHandler(terminal)
    for logger in apart:
        for handler in logger.handlers:
            handler.setLevel(max(handler.level, logging.WARNING))
        logger.addHandler(file)
    logging.captureWarnings(True)
    try:
        yield
    finally:
        logging.captureWarnings(False)
        for logger in ours:
            logger.removeHandler(terminal)
        for logger in apart:
            logger.removeHandler(file)
        file.close()


def _apart() -> list[logging.Logger]:
    """The root logger, and libraries' loggers that do not pass on to it."""
    loggers = [logger for logger in logging.root.manager.loggerDict.values() if isinstance(logger, logging.Logger)]
    return [logging.root, *(logger for logger in loggers if not logger.propagate)]

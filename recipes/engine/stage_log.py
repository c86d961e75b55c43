"""Write log messages and Python warnings of a stage to its ``log.txt``."""

import logging
import sys
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from recipes.engine.targets import PROJECT

FORMAT = "%(asctime)s %(levelname)s %(name)s: %(message)s"


@contextmanager
def stage_log(path: Path) -> Generator[None, None, None]:
    """Append all messages of INFO and above to ``path``, and print this project's warnings to stderr as well."""
    file = logging.FileHandler(path, encoding="utf-8")
    file.setFormatter(logging.Formatter(FORMAT))
    file.setLevel(logging.INFO)
    file.handleError = _ignore  # a full disk is reported by the stage itself
    terminal = logging.StreamHandler(sys.stderr)
    terminal.setFormatter(logging.Formatter("%(levelname)s: %(message)s"))
    terminal.setLevel(logging.WARNING)
    project_loggers = [logging.getLogger(name) for name in PROJECT]
    root_loggers = _root_loggers()
    for logger in project_loggers:
        logger.setLevel(logging.INFO)
        logger.addHandler(terminal)
    for logger in root_loggers:
        for handler in logger.handlers:
            handler.setLevel(max(handler.level, logging.WARNING))
        logger.addHandler(file)
    logging.captureWarnings(True)
    try:
        yield
    finally:
        logging.captureWarnings(False)
        for logger in project_loggers:
            logger.removeHandler(terminal)
        for logger in root_loggers:
            logger.removeHandler(file)
        file.close()


def _root_loggers() -> list[logging.Logger]:
    """Return the root logger, and libraries' loggers that do not propagate to it."""
    loggers: list[logging.Logger] = [logging.root]
    for logger in logging.root.manager.loggerDict.values():
        if isinstance(logger, logging.Logger) and not logger.propagate:
            loggers.append(logger)
    return loggers


def _ignore(record: logging.LogRecord) -> None:
    pass

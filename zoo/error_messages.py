"""Messages of errors of libraries, as parts of messages of this project."""


def one_line(error: BaseException) -> str:
    """Return the message of an error without line breaks, or the name of its class if it has no message."""
    return " ".join(str(error).split()) or type(error).__name__

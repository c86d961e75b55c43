"""Messages of errors of libraries, as parts of messages of this project."""

import errno

MAX_NAME_CHARACTERS = 200
REMEDIES = {errno.EMFILE: "allow this process more, with ulimit -n", errno.ENFILE: "close other programs"}


def one_line(error: BaseException) -> str:
    """Return the message of an error without line breaks, or the name of its class if it has no message.

    That of the system is written as ``PATH: reason``, without its number.
    """
    if isinstance(error, OSError) and error.filename is not None and error.strerror:
        name = str(error.filename)
        if len(name) > MAX_NAME_CHARACTERS:
            name = f"{name[:MAX_NAME_CHARACTERS]}... ({len(name):,} characters)"
        reason = error.strerror[:1].lower() + error.strerror[1:]
        remedy = REMEDIES.get(error.errno or 0)
        return f"{name}: {reason}; {remedy}" if remedy else f"{name}: {reason}"
    return " ".join(str(error).split()) or type(error).__name__

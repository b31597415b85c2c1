"""Text that is fit for a terminal."""


def printable(text: str) -> str:
    """The text with control characters and lone surrogates spelled out: a file name must not steer the terminal."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)

"""Text that is safe to print on a terminal."""


def printable(text: str) -> str:
    """The text with control characters and lone surrogates escaped: a file name must not control the terminal."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)

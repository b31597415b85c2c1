"""Results as text blocks on a terminal: the name of the image, and indented below it what was found, or the error."""

from __future__ import annotations

from collections.abc import Iterable

from rich.console import Console
from rich.padding import Padding
from rich.text import Text

from imagist.records import Failure
from imagist.report.terminal import printable


class Blocks:
    """Prints one block an image, parted by empty lines. A terminal folds long lines, a pipe gets them whole."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._first = True

    def add(self, source: str, lines: Iterable[str] | Failure) -> None:
        """Prints the block of one image.

        Args:
            source: The name of the image.
            lines: What was found; or the failure, which is printed in red.
        """
        if not self._first:
            self._console.print()
        self._first = False
        self._console.print(Text(printable(source), "bold"), soft_wrap=True)
        if isinstance(lines, Failure):
            self._line(f"{lines.error.kind}: {lines.error.message}", "red")
            return
        for line in lines:
            self._line(line)

    def _line(self, line: str, style: str = "") -> None:
        text = Text(printable(line), style)
        if self._console.is_terminal:
            self._console.print(Padding(text, (0, 0, 0, 2)))
        else:
            self._console.print(Text("  ") + text, soft_wrap=True)

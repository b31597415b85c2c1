"""What stands in a page of HTML, and that it is well formed."""

from __future__ import annotations

from html.parser import HTMLParser

VOID = frozenset(("meta", "img", "br"))


class Outline(HTMLParser):
    """Tags with their attributes, the text, and whether every tag that opens closes in its place."""

    def __init__(self, html):
        super().__init__()
        self.tags, self.open, self.text = [], [], ""
        self.feed(html)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text += data if self.open and self.open[-1] != "style" else ""

    def all(self, wanted):
        return [attrs for tag, attrs in self.tags if tag == wanted]

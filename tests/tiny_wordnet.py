"""A small WordNet in the format of its database files: the 1,000 classes, what they are, and a few other nouns."""

from __future__ import annotations

from imagist.classifiers.image.imagenet import imagenet_names

ANIMAL, ARTIFACT, PERSON, COMMUNICATION, ATTRIBUTE = 5, 6, 18, 10, 7
KINDS = {
    "entity": (1, 3, None),
    "animal": (2, ANIMAL, "entity"),
    "dog": (3, ANIMAL, "animal"),
    "artifact": (4, ARTIFACT, "entity"),
    "person": (5, PERSON, "entity"),
    "vehicle": (6, ARTIFACT, "artifact"),
}
OTHERS = {  # words, domain, the kind above
    ("puppy",): (11, ANIMAL, "dog"),
    ("man",): (12, PERSON, "person"),
    ("woman",): (13, PERSON, "person"),
    ("idea",): (14, ATTRIBUTE, "entity"),
    ("run",): (15, ATTRIBUTE, "entity"),
    ("old woman",): (16, PERSON, "woman"),
    ("car", "auto"): (17, ARTIFACT, "vehicle"),
    ("boat",): (18, ARTIFACT, "vehicle"),
    ("beach",): (19, ARTIFACT, "artifact"),
}
COUNTS = {("dog", "n"): 40, ("man", "n"): 90, ("run", "n"): 2, ("run", "v"): 80, ("car", "n"): 30, ("boat", "n"): 9}
LICENCE = "  1 This is a test.\n"


def kind_of(number):
    """The kind of a class, by its number."""
    if 151 <= number <= 268:
        return "dog"
    if number < 398:
        return "animal"
    return "vehicle" if number in (436, 468, 511, 609, 817) else "artifact"


def write_wordnet(folder):
    """Writes ``data.noun``, ``index.noun``, ``noun.exc`` and ``cntlist.rev`` to a new folder; returns it."""
    folder.mkdir(parents=True)
    offsets = {kind: number for kind, (number, _, _) in KINDS.items()} | {
        words[0]: own[0] for words, own in OTHERS.items()
    }
    synsets = [((kind,), number, domain, above) for kind, (number, domain, above) in KINDS.items()]
    synsets += [(words, number, domain, above) for words, (number, domain, above) in OTHERS.items()]
    for number, (wnid, (_, *names)) in enumerate(imagenet_names().items()):
        kind = kind_of(number)
        domain = ANIMAL if number < 398 else ARTIFACT
        synsets.append((tuple(dict.fromkeys(names)), int(wnid[1:]), domain, kind))
    senses = {}
    lines = []
    for words, number, domain, above in synsets:
        spelled = [word.replace(" ", "_") for word in words]
        pointers = "000" if above is None else f"001 @ {offsets[above]:08d} n 0000"
        cells = " ".join(f"{word} 0" for word in spelled)
        lines.append(f"{number:08d} {domain:02d} n {len(words):02x} {cells} {pointers} | a gloss  \n")
        for word in spelled:
            senses.setdefault(word.lower(), []).append(f"{number:08d}")
    (folder / "data.noun").write_text(LICENCE + "".join(lines), "utf-8")
    index = [f"{word} n {len(own)} 1 @ {len(own)} 0 {' '.join(own)}  \n" for word, own in sorted(senses.items())]
    (folder / "index.noun").write_text(LICENCE + "".join(index), "utf-8")
    (folder / "noun.exc").write_text("mice mouse\nmen man\n", "utf-8")
    counts = [f"{word}%{1 if kind == 'n' else 2}:05:00:: 1 {n}\n" for (word, kind), n in COUNTS.items()]
    (folder / "cntlist.rev").write_text("".join(counts), "utf-8")
    return folder

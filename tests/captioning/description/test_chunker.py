from __future__ import annotations

import pyarrow.parquet as pq
import pytest
from fake_captioners import DEEDS, PLACES, SUBJECTS, WORN, agreeing
from hypothesis import given
from hypothesis import strategies as st

from imagist.captioning.description import english
from imagist.captioning.description.chunker import parse, words_of

WORDS = sorted(
    english.DETERMINERS
    | english.PREPOSITIONS
    | english.BE
    | english.ADJECTIVES
    | set(words_of("dog man people running runs run swing building 's , of and or while there to photo each other"))
)


def drawn(text):
    """The chunks of a caption, each as its role, lead, and noun phrases with their parts parted by |."""
    found = []
    for chunk in parse(text).chunks:
        nouns = " & ".join("|".join(map(" ".join, (n.before, n.adjectives, n.head))) for n in chunk.nouns)
        found.append(f"{chunk.role}: {' '.join(chunk.lead)} [{nouns}]")
    return found


@pytest.mark.parametrize(
    ("text", "chunks"),
    [
        ("a dog runs", ["nouns:  [a||dog]", "verb: runs []"]),
        (
            "two dogs run through the grass",
            ["nouns:  [two||dogs]", "verb: run []", "prepositional: through [the||grass]"],
        ),
        (
            "a man in a blue shirt sits on a wooden bench .",
            [
                "nouns:  [a||man]",
                "prepositional: in [a|blue|shirt]",
                "verb: sits []",
                "prepositional: on [a|wooden|bench]",
            ],
        ),
        ("a brown and white dog", ["nouns:  [a|brown and white|dog]"]),
        ("a man and a dog", ["nouns:  [a||man & a||dog]"]),
        ("a group of people walk", ["nouns:  [a group of||people]", "verb: walk []"]),
        ("a group of people walks", ["nouns:  [a group of||people]", "verb: walks []"]),
        ("a boy and girl play", ["nouns:  [a||boy & ||girl]", "verb: play []"]),
        ("a swing set in a park", ["nouns:  [a||swing set]", "prepositional: in [a||park]"]),
        ("a smiling girl", ["nouns:  [a|smiling|girl]"]),
        ("two kids in a swimming pool", ["nouns:  [two||kids]", "prepositional: in [a|swimming|pool]"]),
        ("a dog jumps to catch a ball", ["nouns:  [a||dog]", "verb: jumps to catch [a||ball]"]),
        ("a man dressed in white", ["nouns:  [a||man]", "verb: dressed []", "prepositional: in [||white]"]),
        ("a man wearing sunglasses poses", ["nouns:  [a||man]", "verb: wearing [||sunglasses]", "verb: poses []"]),
        ("a man on ice skates", ["nouns:  [a||man]", "prepositional: on [||ice skates]"]),
        ("dogs walk down onto a beach", ["nouns:  [||dogs]", "verb: walk []", "prepositional: down onto [a||beach]"]),
        ("a man looks on", ["nouns:  [a||man]", "verb: looks []", "adverb: on []"]),
        (
            "a man standing in front of a car",
            ["nouns:  [a||man]", "verb: standing []", "prepositional: in front of [a||car]"],
        ),
        ("a boy watches while a dog runs", ["nouns:  [a||boy]", "verb: watches []", "rest: while a dog runs []"]),
        ("there is a cat on a couch", ["frame: there is []", "nouns:  [a||cat]", "prepositional: on [a||couch]"]),
        ("a photo of a man 's hat", ["frame: a photo of []", "nouns:  [a||man 's hat]"]),
        (
            "a man in a black shirt and a woman in a red dress",
            [
                "nouns:  [a||man]",
                "prepositional: in [a|black|shirt]",
                "adverb: and []",
                "nouns:  [a||woman]",
                "prepositional: in [a|red|dress]",
            ],
        ),
        ("a brown and white dog jumps", ["nouns:  [a|brown and white|dog]", "verb: jumps []"]),
        ("a gull snarfs at a fish", ["nouns:  [a||gull]", "verb: snarfs []", "prepositional: at [a||fish]"]),
        ("a dog carried the stick", ["nouns:  [a||dog]", "verb: carried [the||stick]"]),
        ("", []),
        ("the", ["nouns:  [||the]"]),
    ],
)
def test_captions_fall_into_chunks(text, chunks):
    assert drawn(text) == chunks


@given(st.lists(st.sampled_from(WORDS), max_size=14).map(" ".join) | st.text(max_size=40))
def test_no_word_is_lost_or_moved(text):
    words = words_of(text)
    while words and words[-1] in ".!":
        words.pop()
    clause = parse(text)
    assert list(clause.words) == words
    assert all(noun.head and noun.words for noun in clause.nouns)
    assert all(len(chunk.joints) == max(0, len(chunk.nouns) - 1) for chunk in clause.chunks)


@given(*map(st.sampled_from, (SUBJECTS, WORN, DEEDS, PLACES)))
def test_simple_captions_have_their_subject_and_verb(subject, worn, deed, place):
    deed = agreeing(subject, deed)
    clause = parse(" ".join(part for part in (subject, worn, deed, place) if part))
    assert " ".join(clause.subject.words) == subject.removeprefix("there is ").removeprefix("a photo of ")
    verbs = [" ".join(chunk.lead) for chunk in clause.chunks if chunk.role == "verb"]
    assert [verb for verb in verbs if verb and deed.startswith(verb)] or not deed


@pytest.mark.data
def test_captions_of_people_have_their_verbs(data):
    """Nearly all have one; most of the others are noun phrases alone (*A boy in the woods .*)."""
    rows = pq.read_table(data / "flickr8k" / "dev.parquet", columns=["captions"])["captions"].to_pylist()
    texts = [text for row in rows for text in row]
    with_verb = sum(parse(text).verb is not None for text in texts)
    assert with_verb > 0.9 * len(texts)
    assert sum(parse(text).subject is not None for text in texts) > 0.95 * len(texts)


@pytest.mark.parametrize("frame", ["a picture of", "this is a photograph of", "an image of", "a close-up view of"])
def test_words_for_images_are_a_frame(frame):
    clause = parse(f"{frame} a dog")
    assert [chunk.role for chunk in clause.chunks] == ["frame", "nouns"]

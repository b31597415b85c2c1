"""Labelled pictures in: folders, tables, CIFAR-100 and COCO to examples; which of them, in which folds; leaks."""

from imagist.classified.choosing import choose, label_set, targets
from imagist.classified.example import Example
from imagist.classified.folds import Fold, fixed, grouped, inner, repeated, stratified
from imagist.classified.grouping import accounts, joined
from imagist.classified.leakage import Leak, clusters, hashes, leaks, refuse_leaks
from imagist.classified.reading import read, read_all
from imagist.classified.source import Columns, Source

__all__ = [
    "Columns",
    "Example",
    "Fold",
    "Leak",
    "Source",
    "accounts",
    "choose",
    "clusters",
    "fixed",
    "grouped",
    "hashes",
    "inner",
    "joined",
    "label_set",
    "leaks",
    "read",
    "read_all",
    "refuse_leaks",
    "repeated",
    "stratified",
    "targets",
]

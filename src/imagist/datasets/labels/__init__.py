"""Labelled images in: folders, tables, CIFAR-100 and COCO to examples; which of them, in which folds; leaks."""

from imagist.datasets.labels.choosing import choose, label_set, targets
from imagist.datasets.labels.example import Example
from imagist.datasets.labels.folds import Fold, fixed, grouped, inner, repeated, stratified
from imagist.datasets.labels.grouping import accounts, joined
from imagist.datasets.labels.leakage import Leak, clusters, hashes, leaks, refuse_leaks
from imagist.datasets.labels.reading import read, read_all
from imagist.datasets.labels.source import Columns, Source

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

"""Reads what Python 2 wrote for CIFAR-100: protocol 2 of its serialisation, as a small stack machine.

Known are the opcodes that dicts, lists, tuples, strings, small numbers and one array of bytes need, and of globals the
three names of numpy that such an array is made of. They are names only: nothing is imported, called or set. Anything
else ends the reading with an error, so that a file can do no more than say something wrong.

Source: the opcodes as PEP 307 and the standard library's ``pickletools`` describe them.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Any, NoReturn

import numpy as np

from imagist.arrays import Pixels
from imagist.errors import DataError

MAGIC = b"\x80\x02"
_INTEGERS = {b"K": "<B", b"M": "<H", b"J": "<i"}
_STRINGS = {b"U": "<B", b"T": "<i"}
_CONSTANTS = {b"N": None, b"\x88": True, b"\x89": False}
_KEEP = {b"q": "<B", b"r": "<I"}
_RECALL = {b"h": "<B", b"j": "<I"}
_TUPLES = {b"\x85": 1, b"\x86": 2, b"\x87": 3}
_ARRAY, _RECONSTRUCT, _DTYPE = b"numpy\nndarray", b"numpy.core.multiarray\n_reconstruct", b"numpy\ndtype"


def unpacked(content: bytes, item: str) -> object:
    """The object that a file holds.

    Args:
        content: The whole file.
        item: Its name, for errors.

    Returns:
        Dicts, lists, tuples, ``bytes`` for strings, int, bool, None, and uint8 arrays.

    Raises:
        DataError: It is cut short, or holds anything else; the message says at which byte.
    """
    machine = _Machine(content)
    try:
        return machine.run()
    except (IndexError, KeyError, TypeError, ValueError, struct.error) as error:
        raise DataError(
            f"not as CIFAR-100 is written, at byte {machine.at:,}: {error}",
            item=item,
            remedy="take cifar-100-python as its authors publish it; no other objects are read",
        ) from error


class _Name:
    """A global: its name alone."""

    def __init__(self, name: bytes) -> None:
        self.name = name


class _Made:
    """What numpy's names were applied to; ``array`` is filled in by what follows."""

    def __init__(self, name: bytes) -> None:
        self.name = name
        self.array: Pixels | None = None


class _Machine:
    def __init__(self, content: bytes) -> None:
        self.at = 0
        self._content = content
        self._stack: list[Any] = []
        self._marks: list[int] = []
        self._memo: dict[int, Any] = {}

    def run(self) -> object:
        if self._take(2) != MAGIC:
            raise ValueError("no protocol 2")
        while (code := self._take(1)) != b".":
            self._step(code)
        return _plain(self._pop())

    def _step(self, code: bytes) -> None:
        if code in _INTEGERS:
            self._stack.append(self._number(_INTEGERS[code]))
        elif code in _KEEP:
            self._memo[self._number(_KEEP[code])] = self._stack[-1]
        elif code in _STRINGS:
            self._stack.append(self._take(self._number(_STRINGS[code])))
        elif code in _RECALL:
            self._stack.append(self._memo[self._number(_RECALL[code])])
        elif code in _CONSTANTS:
            self._stack.append(_CONSTANTS[code])
        elif code in _TUPLES:
            self._stack.append(tuple(self._pop() for _ in range(_TUPLES[code]))[::-1])
        else:
            _STEPS.get(code, _refuse)(self, code)

    def _take(self, size: int) -> bytes:
        taken = self._content[self.at : self.at + size] if size >= 0 else b""
        if len(taken) != size:
            raise ValueError(f"{size:,} bytes announced, {len(self._content) - self.at:,} left")
        self.at += size
        return taken

    def _number(self, kind: str) -> int:
        return int(struct.unpack(kind, self._take(struct.calcsize(kind)))[0])

    def _line(self) -> bytes:
        return self._take(self._content.index(b"\n", self.at) + 1 - self.at)[:-1]

    def _pop(self) -> Any:
        if self._marks and len(self._stack) <= self._marks[-1]:
            raise IndexError("an operation reaches below its mark")
        return self._stack.pop()

    def _marked(self) -> list[Any]:
        """Everything above the last mark."""
        start = self._marks.pop()
        values = self._stack[start:]
        del self._stack[start:]
        return values

    def _mark(self, code: bytes) -> None:
        self._marks.append(len(self._stack))

    def _empty(self, code: bytes) -> None:
        self._stack.append({b"}": dict, b"]": list, b")": tuple}[code]())

    def _tuple(self, code: bytes) -> None:
        self._stack.append(tuple(self._marked()))

    def _append(self, code: bytes) -> None:
        values = self._marked() if code == b"e" else [self._pop()]
        if type(self._stack[-1]) is not list:
            raise TypeError("values appended to what is no list")
        self._stack[-1].extend(values)

    def _set(self, code: bytes) -> None:
        values = self._marked() if code == b"u" else [self._pop(), self._pop()][::-1]
        keys = values[::2]
        if type(self._stack[-1]) is not dict or len(values) % 2 or not all(type(key) is bytes for key in keys):
            raise TypeError("items that make no dict of names")
        self._stack[-1].update(zip(keys, values[1::2], strict=True))

    def _global(self, code: bytes) -> None:
        name = self._line() + b"\n" + self._line()
        if name not in (_ARRAY, _RECONSTRUCT, _DTYPE):
            raise ValueError(f"refers to {name.decode('ascii', 'replace')!r}")
        self._stack.append(_Name(name))

    def _apply(self, code: bytes) -> None:
        arguments, name = self._pop(), self._pop()
        called = name.name if isinstance(name, _Name) else b""
        array_of = isinstance(arguments, tuple) and arguments and getattr(arguments[0], "name", b"") == _ARRAY
        if not (called == _RECONSTRUCT and array_of) and not (called == _DTYPE and arguments == (b"u1", 0, 1)):
            raise ValueError("a call that makes no array of bytes")
        self._stack.append(_Made(called))

    def _build(self, code: bytes) -> None:
        state, made = self._pop(), self._stack[-1]
        if not isinstance(made, _Made) or not isinstance(state, tuple):
            raise TypeError("a state of what is no array")
        if made.name == _RECONSTRUCT:
            _, shape, kind, is_fortran, data = state
            if not isinstance(kind, _Made) or is_fortran or not isinstance(data, bytes):
                raise ValueError("an array that is not of bytes, row by row")
            made.array = np.frombuffer(data, np.uint8).reshape(shape)


def _refuse(machine: _Machine, code: bytes) -> NoReturn:
    raise ValueError(f"operation {code!r}")


_STEPS: dict[bytes, Callable[[_Machine, bytes], None]] = {
    b"(": _Machine._mark,
    b"}": _Machine._empty,
    b"]": _Machine._empty,
    b")": _Machine._empty,
    b"t": _Machine._tuple,
    b"a": _Machine._append,
    b"e": _Machine._append,
    b"s": _Machine._set,
    b"u": _Machine._set,
    b"c": _Machine._global,
    b"R": _Machine._apply,
    b"b": _Machine._build,
}


def _plain(value: Any) -> Any:
    """A value with the arrays it holds one level down in their places."""
    return {key: _array(each) for key, each in value.items()} if type(value) is dict else _array(value)


def _array(value: Any) -> Any:
    if isinstance(value, _Name) or (isinstance(value, _Made) and value.array is None):
        raise ValueError("an array without bytes")
    return value.array if isinstance(value, _Made) else value

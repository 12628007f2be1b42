"""Java class files, as far as needed to edit the code of their methods.

The format is that of The Java Virtual Machine Specification, chapter 4; numbers are big-endian.
"""

from __future__ import annotations

import struct

NOP, ALOAD, ALOAD_0, ASTORE, DUP = b"\x00", b"\x19", b"\x2a", b"\x3a", b"\x59"
IFNULL, RETURN = b"\xc6", b"\xb1"
GETFIELD, PUTFIELD, INVOKEVIRTUAL, INVOKESPECIAL, NEW = b"\xb4", b"\xb5", b"\xb6", b"\xb7", b"\xbb"
"""Opcodes of instructions (chapter 6)."""

UTF8, CLASS, FIELD, METHOD, NAME_AND_TYPE = 1, 7, 9, 10, 12
"""Tags of the constants that code refers to."""
SIZES = (
    dict.fromkeys((7, 8, 16, 19, 20), 2)
    | {15: 3}
    | dict.fromkeys((3, 4, 9, 10, 11, 12, 17, 18), 4)
    | dict.fromkeys((5, 6), 8)
)
"""Bytes of a constant after its tag, by tag; UTF-8 texts hold their own length."""


class ClassFile:
    """One class: its constants, to which others can be added, and what follows them.

    References to constants are two bytes, as in code.
    """

    def __init__(self, data: bytes) -> None:
        count, at = _u2(data, 8), 10
        self._head = data[:8]
        self._constants: list[bytes] = []
        while len(self._constants) < count - 1:
            size = 2 + _u2(data, at + 1) if data[at] == UTF8 else SIZES[data[at]]
            counts_twice = size == 8 and data[at] != UTF8
            self._constants += [data[at : at + 1 + size], *[b""] * counts_twice]
            at += 1 + size
        self._body = bytearray(data[at:])

    def to_bytes(self) -> bytes:
        """Return the content of the class file."""
        count = _as_u2(len(self._constants) + 1)
        return self._head + count + b"".join(self._constants) + self._body

    def class_(self, name: str) -> bytes:
        """Return the reference to a class, whose constant is added if needed."""
        return self._constant(CLASS, self._text(name))

    def field(self, owner: str, name: str, descriptor: str) -> bytes:
        """Return the reference to a field, whose constant is added if needed."""
        return self._constant(FIELD, self.class_(owner) + self._name_and_type(name, descriptor))

    def method(self, owner: str, name: str, descriptor: str) -> bytes:
        """Return the reference to a method, whose constant is added if needed."""
        return self._constant(METHOD, self.class_(owner) + self._name_and_type(name, descriptor))

    def replace(self, old: bytes, new: bytes, times: int) -> None:
        """Replace code everywhere by other code of the same length.

        Raises:
            ValueError: `old` does not occur exactly so many times.
        """
        found = self._body.count(old)
        if found != times or len(old) != len(new):
            raise ValueError(f"{found} places to edit, not {times}")
        self._body = self._body.replace(old, new)

    def append(self, method: str, code: bytes) -> None:
        """Insert code before the final `return` of a method.

        Raises:
            ValueError: there is not exactly one method of this name, or it does not end with a `return`.
        """
        attribute, at = self._code_of(method)
        end = at + 4 + _u4(self._body, at)
        if self._body[end - 1 : end] != RETURN:
            raise ValueError(f"{method} does not end with a return")
        self._body[end - 1 : end - 1] = code
        for place in (attribute, at):
            struct.pack_into(">I", self._body, place, _u4(self._body, place) + len(code))

    def _constant(self, kind: int, content: bytes) -> bytes:
        constant = bytes([kind]) + content
        if constant not in self._constants:
            self._constants.append(constant)
        return _as_u2(self._constants.index(constant) + 1)

    def _text(self, text: str) -> bytes:
        return self._constant(UTF8, _as_u2(len(text)) + text.encode("ascii"))

    def _name_and_type(self, name: str, descriptor: str) -> bytes:
        return self._constant(NAME_AND_TYPE, self._text(name) + self._text(descriptor))

    def _code_of(self, method: str) -> tuple[int, int]:
        """Find the offsets of two lengths: of a method's attribute `Code`, and of the code in it."""
        name, code = self._text(method), self._text("Code")
        at = 6 + 2 + 2 * _u2(self._body, 6)  # access, this, super; interfaces
        found = []
        for _ in ("fields", "methods"):
            count, at = _u2(self._body, at), at + 2
            for _ in range(count):
                is_wanted = self._body[at + 2 : at + 4] == name
                attributes, at = _u2(self._body, at + 6), at + 8
                for _ in range(attributes):
                    if is_wanted and self._body[at : at + 2] == code:
                        found.append((at + 2, at + 10))  # max_stack and max_locals stand between
                    at += 6 + _u4(self._body, at + 2)
        if len(found) != 1:
            raise ValueError(f"{len(found)} methods {method}")
        return found[0]


def _u2(data: bytes | bytearray, at: int) -> int:
    return int.from_bytes(data[at : at + 2])


def _u4(data: bytes | bytearray, at: int) -> int:
    return int.from_bytes(data[at : at + 4])


def _as_u2(number: int) -> bytes:
    return struct.pack(">H", number)

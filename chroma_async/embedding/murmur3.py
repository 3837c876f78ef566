"""MurmurHash3 in its 32-bit form for x86, by its published definition (Austin Appleby, public domain)."""

from __future__ import annotations

import struct

_MASK = 0xFFFFFFFF


def murmur3_32(data: bytes, seed: int = 0) -> int:
    """The hash of ``data``, as an unsigned 32-bit integer."""
    state = seed
    whole = len(data) // 4
    for word in struct.unpack_from(f"<{whole}I", data):
        state ^= _scrambled(word)
        state = (state << 13 | state >> 19) & _MASK
        state = (state * 5 + 0xE6546B64) & _MASK
    state ^= _scrambled(int.from_bytes(data[4 * whole :], "little")) ^ len(data)
    state ^= state >> 16
    state = state * 0x85EBCA6B & _MASK
    state ^= state >> 13
    state = state * 0xC2B2AE35 & _MASK
    return state ^ state >> 16


def _scrambled(word: int) -> int:
    word = word * 0xCC9E2D51 & _MASK
    word = (word << 15 | word >> 17) & _MASK
    return word * 0x1B873593 & _MASK

#!/usr/bin/env python3
"""Copies a 64-bit ELF library so that it loads beside a libstdc++ without some version of its symbols.

TorchSharp's library asks for GLIBCXX_3.4.32 through one symbol that nothing in it refers to, so that the loader may go
on without it: a needed version is optional if its entry in the section .gnu.version_r has the flag VER_FLG_WEAK
(Linux Standard Base 5.0, Core, sec. 10.7). For tests.

    weaken-glibcxx.py LIBRARY COPY [VERSION]
"""

import pathlib
import struct
import sys

VERSION_NEEDS = 0x6FFFFFFE  # SHT_GNU_verneed
WEAK = 2


def read(image, layout, offset):
    return struct.unpack_from("<" + layout, image, offset)


def section_headers(image):
    """(type, offset, link) of each section: Elf64_Ehdr has their table at 40, their size and number at 58."""
    (table,) = read(image, "Q", 40)
    size, count = read(image, "HH", 58)
    for start in range(table, table + size * count, size):
        (kind,) = read(image, "I", start + 4)
        (offset,) = read(image, "Q", start + 24)
        (link,) = read(image, "I", start + 40)
        yield kind, offset, link


def chain(first, step):
    """Offsets of entries, each of which says how far away the next is; 0 ends them."""
    offset = first
    while True:
        yield offset
        distance = step(offset)
        if distance == 0:
            return
        offset += distance


def weaken(image, version):
    """Sets the flag at each need of a version; returns how many there are."""
    headers = list(section_headers(image))
    found = 0
    for kind, offset, link in headers:
        if kind != VERSION_NEEDS:
            continue
        names = headers[link][1]
        # Elf64_Verneed: version, count, file, aux, next. Elf64_Vernaux: hash, flags, other, name, next.
        for file in chain(offset, lambda at: read(image, "I", at + 12)[0]):
            (first,) = read(image, "I", file + 8)
            for need in chain(file + first, lambda at: read(image, "I", at + 12)[0]):
                name = names + read(image, "I", need + 8)[0]
                if image[name:image.index(0, name)] == version:
                    (flags,) = read(image, "H", need + 4)
                    struct.pack_into("<H", image, need + 4, flags | WEAK)
                    found += 1
    return found


def main():
    if len(sys.argv) not in (3, 4):
        sys.exit(__doc__)
    image = bytearray(pathlib.Path(sys.argv[1]).read_bytes())
    if image[:6] != b"\x7fELF\x02\x01":
        sys.exit(f"{sys.argv[1]} is no 64-bit little-endian ELF file.")
    version = sys.argv[3] if len(sys.argv) == 4 else "GLIBCXX_3.4.32"
    if weaken(image, version.encode()) == 0:
        sys.exit(f"{sys.argv[1]} needs no {version}.")
    pathlib.Path(sys.argv[2]).write_bytes(image)


main()

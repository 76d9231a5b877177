"""Writes decompositions.txt: what is left of each character after canonical decomposition without nonspacing marks.

Only characters that change are listed; Hangul syllables are not, they decompose by arithmetic.
Usage: python3 make_decompositions.py > decompositions.txt
"""
import sys
import unicodedata

print(f"# Unicode {unicodedata.unidata_version}: character, then its decomposition (NFD) without nonspacing marks (Mn)")
for code in range(sys.maxunicode + 1):
    character = chr(code)
    if 0xAC00 <= code <= 0xD7A3 or 0xD800 <= code <= 0xDFFF or unicodedata.category(character) == "Mn":
        continue
    rest = [c for c in unicodedata.normalize("NFD", character) if unicodedata.category(c) != "Mn"]
    if rest != [character]:
        print(f"{code:04X}", *(f"{ord(c):04X}" for c in rest))

"""The vocabulary of an index, in a file beside it: each word once, with its syllables.

It only grows, a line a word, until the next rebuild: a word that no document holds any more finds nothing, and a
line cut off by a crash is written again with the next document that has the word.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable
from pathlib import Path

from yetan_search.pinyin import Sounds, syllables


class Lexicon:
    """The words in the file `path`. Many threads and processes read it; one writes."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._sounds = Sounds()
        self._read = 0

    def sounds(self) -> Sounds:
        """The words, with those that were added since the last call."""
        with self._lock:
            try:
                if self._path.stat().st_size > self._read:
                    self._read_on()
            except FileNotFoundError:
                pass
            return self._sounds

    def add(self, words: Iterable[str]) -> None:
        """Write down the words that are new."""
        known = self.sounds()
        new = ((word, syllables(word)) for word in sorted(words) if word not in known)
        # The word comes last: of a line cut off, it does not fit its syllables.
        lines = [f"{' '.join(read)}\t{word}\n" for word, read in new if read]
        if lines:
            with self._lock, self._path.open("a", encoding="utf-8") as file:
                # Behind a line that a crash cut off, an empty one ends it.
                file.write("".join(("\n", *lines)))

    def _read_on(self) -> None:
        with self._path.open("rb") as file:
            file.seek(self._read)
            told = file.read()
        whole = told[: told.rfind(b"\n") + 1]
        for line in whole.decode("utf-8", "ignore").splitlines():
            spelling, _, word = line.partition("\t")
            read = tuple(spelling.split(" "))
            if len(word) == len(read):
                self._sounds.add(word, read)
        self._read += len(whole)

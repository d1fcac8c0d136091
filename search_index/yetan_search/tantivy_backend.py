"""The search engine for many issues on one machine: tantivy, a library in Rust. An extra: `yetan[tantivy]`.

No type of it leaves the modules `tantivy_*`.
"""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import tantivy

from yetan.api import SearchDocument, reached
from yetan_search.analysis import Analysis
from yetan_search.embedded import Changes, EmbeddedBackend
from yetan_search.lexicon import Lexicon
from yetan_search.tantivy_format import document_of, schema
from yetan_search.tantivy_snapshot import TantivySnapshot

#: The memory a write may take before it goes to disk, in bytes: for some changes, and for a rebuild.
_MEMORY, _MEMORY_OF_REBUILD = 15_000_000, 128_000_000


class TantivyBackend(EmbeddedBackend):
    """A `SearchBackend` in the folder `directory`."""

    changing_files = frozenset({"meta.json", ".managed.json"})

    def _create(self, generation: Path) -> None:
        tantivy.Index(schema(), str(generation))

    def _is_empty(self, generation: Path) -> bool:
        return tantivy.Index.open(str(generation)).searcher().num_docs == 0

    def _commit(self, generation: Path, changes: Changes, analysis: Analysis) -> None:
        writer = tantivy.Index.open(str(generation)).writer(_MEMORY, 1)
        try:
            for key, document in changes.items():
                writer.delete_documents_by_term("key", key)
                if document:
                    writer.add_document(document_of(document, analysis))
            reached("index.written")
            writer.commit()
        except BaseException:
            with suppress(Exception):
                writer.rollback()
            raise
        finally:
            writer.wait_merging_threads()

    def _fill(self, generation: Path) -> _Filling:
        return _Filling(generation)

    def _snapshot_of(self, generation: Path, lexicon: Lexicon) -> TantivySnapshot:
        return TantivySnapshot(generation, lexicon)


class _Filling:
    """A new generation, written in one commit."""

    def __init__(self, generation: Path) -> None:
        self._writer = tantivy.Index.open(str(generation)).writer(_MEMORY_OF_REBUILD, 1)

    def add(self, document: SearchDocument, analysis: Analysis) -> None:
        """See `Filling.add`."""
        self._writer.add_document(document_of(document, analysis))

    def finish(self) -> None:
        """See `Filling.finish`."""
        self._writer.commit()
        self._writer.wait_merging_threads()

    def cancel(self) -> None:
        """See `Filling.cancel`."""
        self._writer.rollback()
        self._writer.wait_merging_threads()

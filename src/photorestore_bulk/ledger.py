"""The ledger of a folder of results: Parquet files with a row for each picture that was tried.

Whoever restores pictures adds small files; from time to time they are merged into larger ones. A file appears as a
whole, and a merged one before those that it replaces are deleted, so that the process may be killed at any moment: at
worst rows stand twice, and `rows` returns each once.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from pyarrow import parquet

from photorestore_bulk.places import LEDGER, Place

SCHEMA = pa.schema(
    [
        ("key", pa.string()),  # of the source, below the input
        ("result", pa.string()),  # of the result, below the output
        ("work", pa.uint64()),  # what is done once: source, its size and time, and options
        ("options", pa.string()),  # JSON; what is not the default
        ("source_bytes", pa.int64()),
        ("source_sha256", pa.string()),
        ("result_bytes", pa.int64()),
        ("result_sha256", pa.string()),
        ("width", pa.int32()),  # of the result
        ("height", pa.int32()),
        ("unchanged", pa.bool_()),  # the result is the source, byte for byte
        ("report", pa.string()),  # JSON: the judgement, and which stages worked
        ("seconds", pa.float64()),
        ("problem", pa.string()),  # its type, as the service's; empty where there is a result
        ("detail", pa.string()),
        ("final", pa.bool_()),  # whether another try would come to the same
        ("at", pa.timestamp("us", tz="UTC")),
    ]
)
_PART, _MERGED = "part-", "rows-"


@dataclass(frozen=True, slots=True)
class Ledger:
    """The ledger of one folder of results.

    Attributes:
        place: its folder.
    """

    place: Place

    @classmethod
    def of(cls, output: Place) -> Ledger:
        """Return the ledger of a folder of results."""
        return cls(output.below(LEDGER))

    def add(self, rows: Sequence[dict[str, object]]) -> None:
        """Add rows, by the names of `SCHEMA`.

        Raises:
            OSError: they cannot be written.
        """
        if rows:
            self._write(_PART, pa.Table.from_pylist(list(rows), SCHEMA))

    def done(self) -> npt.NDArray[np.uint64]:
        """Return the `work` of all final rows, in order: 8 bytes a picture, whatever the ledger's size."""
        final = [
            table["work"].filter(table["final"]).to_numpy()
            for table in map(self._read_done, self._names(_PART, _MERGED))
        ]
        return np.unique(np.concatenate([np.empty(0, np.uint64), *final]))

    def rows(self) -> pa.Table:
        """Return the whole ledger, of each work the latest row."""
        return _latest([self._read(name) for name in self._names(_PART, _MERGED)])

    def merge(self) -> None:
        """Merge the small files into one."""
        names = self._names(_PART)
        if len(names) > 1:
            self._write(_MERGED, _latest([self._read(name) for name in names]))
            self.place.delete(names)

    def _names(self, *prefixes: str) -> list[str]:
        return [found.key for found in self.place.files() if found.key.startswith(prefixes)]

    def _read(self, name: str) -> pa.Table:
        return parquet.read_table(pa.BufferReader(self.place.read(name)))

    def _read_done(self, name: str) -> pa.Table:
        return parquet.read_table(pa.BufferReader(self.place.read(name)), columns=["work", "final"])

    def _write(self, prefix: str, table: pa.Table) -> None:
        sink = pa.BufferOutputStream()
        parquet.write_table(table, sink, compression="zstd")
        self.place.write(f"{prefix}{secrets.token_hex(8)}.parquet", sink.getvalue().to_pybytes())


def _latest(tables: Sequence[pa.Table]) -> pa.Table:
    """Return rows of which each work has one: the latest."""
    table = pa.concat_tables([SCHEMA.empty_table(), *tables]).sort_by([("at", "descending")])
    _, first = np.unique(table["work"].to_numpy(), return_index=True)
    return table.take(pa.array(first)).sort_by("key")

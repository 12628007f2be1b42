"""The plan of a run: which pictures are to be restored, by which options, and where the results go."""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import islice

import pyarrow as pa
from pyarrow import csv, parquet

from photorestore.errors import UnsupportedOption
from photorestore.options import Options
from photorestore_bulk.places import Found, Place

SUFFIXES = (
    *(".jpg", ".jpeg", ".jpe", ".png", ".webp", ".tif", ".tiff", ".bmp", ".gif", ".avif"),
    *(".heic", ".heif", ".hif", ".jp2", ".j2k", ".j2c", ".jpc", ".jpf", ".jpx"),
    *(".dng", ".nef", ".cr2", ".cr3", ".arw", ".raf", ".pef", ".srw", ".3fr", ".iiq"),
)
"""Suffixes of the files that are taken for pictures in folders; a manifest may name any file."""
RESULT_SUFFIXES = {
    "jpeg": (".jpg", ".jpeg", ".jpe"),
    "png": (".png",),
    "webp": (".webp",),
    "tiff": (".tif", ".tiff"),
    "avif": (".avif",),
}
"""Suffixes of results by format; the first one is appended if the source has none of them."""
DEFAULTS: Mapping[str, object] = {"format": "jpeg", "timeout_s": 600}
"""Options of bulk work where nobody says otherwise."""
AT_ONCE = 1000
"""Entries of a manifest whose files are looked at together."""


@dataclass(frozen=True, slots=True)
class Item:
    """A picture to restore.

    Attributes:
        key: of the source, below the input.
        result: where the result goes, below the output.
        options: JSON that `Options.from_json` reads; or, with a problem, as far as they could be read.
        size_bytes: of the source; -1 if it is not there.
        work: stands for the source as it is now, and the options; equal for work that need not be done twice.
        problem: why it cannot be restored, known before it was read; else empty.
    """

    key: str
    result: str
    options: str
    size_bytes: int
    work: int
    problem: str = ""


def items_in(source: Place, output: Place, options: Mapping[str, object]) -> Iterator[Item]:
    """Yield an item for each picture in a folder and below it.

    Raises:
        UnsupportedOption: an option is wrong.
    """
    checked = Options.from_mapping({**DEFAULTS, **options})
    suffixes, text = RESULT_SUFFIXES[str(checked.format)], _canonical(checked)
    but = output.base if output.filesystem.equals(source.filesystem) else None
    for found in source.files(but=but):
        if found.key.lower().endswith(SUFFIXES):
            item = _item(found, checked, text)
            # `scan.bmp` and `scan.bmp.jpg` would have one result.
            twin = item.key.rpartition(".")[0] if item.result == item.key else ""
            if twin.lower().endswith(SUFFIXES) and not twin.lower().endswith(suffixes):
                item = _without_twin(item, source.look([twin])[0])
            yield item


def items_of(manifest: bytes, name: str, source: Place, options: Mapping[str, object]) -> Iterator[Item]:
    """Yield an item for each row of a manifest.

    Args:
        manifest: a Parquet or CSV file with a column `key`, below the source, and columns that are named after
            options, or a column `options` with a JSON object. They stand above `options`.
        name: of the file; its suffix tells which it is.

    Raises:
        ValueError: it cannot be read, lacks the column, or two rows would have one result.
        UnsupportedOption: one of `options` is wrong.
    """
    Options.from_mapping({**DEFAULTS, **options})
    table, taken = _read(manifest, name), set[int]()
    for batch in table.to_batches(max_chunksize=AT_ONCE):
        rows: list[dict[str, object]] = batch.to_pylist()
        for row, found in zip(rows, source.look([str(row["key"]) for row in rows]), strict=True):
            item = _item_of(row, found, options)
            if (place := hash(item.result)) in taken:
                raise ValueError(f"{name}: more than one row would have the result {item.result}")
            taken.add(place)
            yield item


def chunks(items: Iterator[Item], count: int) -> Iterator[list[Item]]:
    """Yield items in lists of so many, the last one of fewer."""
    while chunk := list(islice(items, count)):
        yield chunk


def _read(manifest: bytes, name: str) -> pa.Table:
    try:
        if name.lower().endswith(".csv"):
            header = manifest.partition(b"\n")[0].decode().strip().split(",")
            texts = {column.strip('"'): pa.string() for column in header}
            convert = csv.ConvertOptions(column_types=texts, strings_can_be_null=True)
            table = csv.read_csv(io.BytesIO(manifest), convert_options=convert)
        else:
            table = parquet.read_table(pa.BufferReader(manifest))
    except (pa.ArrowInvalid, UnicodeDecodeError) as error:
        raise ValueError(f"{name} is neither Parquet nor, with the suffix .csv, CSV: {error}") from error
    if "key" not in table.column_names:
        raise ValueError(f"{name} has no column key; it has {', '.join(table.column_names)}")
    return table


def _item_of(row: Mapping[str, object], found: Found, options: Mapping[str, object]) -> Item:
    own = {name: value for name, value in row.items() if name not in {"key", "options"} and value is not None}
    try:
        further = json.loads(str(row.get("options") or "{}"))
        if not isinstance(further, dict):
            raise UnsupportedOption(f"options must be a JSON object, not {type(further).__name__}")
        checked = Options.from_mapping({**DEFAULTS, **options, **further, **own})
    except (ValueError, UnsupportedOption) as error:
        default = Options.from_mapping({**DEFAULTS, **options})
        text = json.dumps({"wrong": [row.get("options"), own]}, default=str, sort_keys=True)
        return _item(found, default, text, str(error) or "options are not JSON")
    return _item(found, checked, _canonical(checked))


def _item(found: Found, options: Options, text: str, problem: str = "") -> Item:
    work = hashlib.sha256(json.dumps([found.key, found.size_bytes, found.version, text]).encode()).digest()
    suffixes = RESULT_SUFFIXES[str(options.format)]
    result = found.key if found.key.lower().endswith(suffixes) else found.key + suffixes[0]
    return Item(found.key, result, text, found.size_bytes, int.from_bytes(work[:8]), problem)


def _without_twin(item: Item, twin: Found) -> Item:
    if twin.size_bytes < 0:
        return item
    problem = f"its result would be {item.result}, as that of {twin.key}"
    return Item(item.key, item.result, item.options, item.size_bytes, item.work, problem)


def _canonical(options: Options) -> str:
    """Return options as JSON that is equal for equal results: what is not the default, in the order of names."""
    default = Options().to_mapping()
    return json.dumps(
        {name: value for name, value in options.to_mapping().items() if value != default[name]},
        sort_keys=True,
        default=dict,
    )

"""An Arrow file mapped into memory, of which little is in memory at any time."""

import mmap
from pathlib import Path
from threading import Lock, local
from typing import Any

import pyarrow as pa

_RELEASE = 1 << 25
"""Bytes after whose reading the pages of the map are given back."""
_AROUND = 1 << 18
"""Bytes that come with a batch, however little is read: the kernel maps pages around each one."""


class ArrowFile:
    """The record batches of an Arrow file; all but the last have `batch_rows` rows.

    The operating system reads the pages that are touched and may drop them again. It counts them as
    this process's memory, so they are given back from time to time, which changes no value.
    """

    def __init__(self, file: Path, batch_rows: int) -> None:
        with file.open("rb") as stream:
            self._map = mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ)
        self._reader = pa.ipc.open_file(pa.BufferReader(pa.py_buffer(self._map)))
        self.schema: pa.Schema = self._reader.schema
        self.batch_rows = batch_rows
        self._lock = Lock()
        self._latest = local()
        self._touched = 0
        self.batches: int = self._reader.num_record_batches
        last: int = self.batch(self.batches - 1).num_rows if self.batches else 0
        self._rows: int = max(0, self.batches - 1) * batch_rows + last

    def __len__(self) -> int:
        return self._rows

    def batch(self, number: int) -> Any:
        """Return `batch_rows` rows, of the last batch those that are left."""
        latest = getattr(self._latest, "batch", (-1, None))
        if latest[0] != number:
            with self._lock:
                latest = (number, self._reader.get_batch(number))
            self._latest.batch = latest
            self.release(_AROUND)
        return latest[1]

    def release(self, touched: int) -> None:
        """Count bytes that were read, and give pages back when there are many."""
        self._touched += touched + mmap.PAGESIZE
        if self._touched > _RELEASE and hasattr(mmap, "MADV_DONTNEED"):
            self._map.madvise(mmap.MADV_DONTNEED)
            self._touched = 0

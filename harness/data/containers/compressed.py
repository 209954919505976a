"""Files that may be compressed with gzip or zstd, read as what they hold."""

import gzip
import io
import zlib
from pathlib import Path
from typing import IO

import pyarrow as pa

_GZIP = b"\x1f\x8b"
_ZSTD = b"\x28\xb5\x2f\xfd"
DAMAGED = (EOFError, OSError, zlib.error, pa.ArrowException)
"""What reading a compressed file that is cut off or damaged raises."""


def opened(file: Path) -> IO[bytes]:
    """Open a file for reading, unpacked where its first bytes say that it is compressed."""
    stream = file.open("rb")
    head = stream.read(4)
    stream.seek(0)
    if head.startswith(_GZIP):
        return gzip.GzipFile(fileobj=stream)  # type: ignore[return-value]
    if head == _ZSTD:
        return io.BufferedReader(pa.CompressedInputStream(stream, "zstd"))
    return stream

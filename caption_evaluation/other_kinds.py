"""Files that hold no captions that can be read, named for what they are."""

from __future__ import annotations

import re
from pathlib import Path

from gegcore.errors import DataError

_PANDAS = "python -c \"import pandas; pandas.{}.to_csv('captions.csv', index=False)\""
_KINDS: tuple[tuple[bytes, str, str], ...] = (
    (rb"\x1f\x8b", "compressed with gzip", "gunzip it"),
    (rb"BZh", "compressed with bzip2", "bunzip2 it"),
    (rb"\xfd7zXZ", "compressed with xz", "unxz it"),
    (rb"\x28\xb5\x2f\xfd", "compressed with zstd", "unzstd it"),
    (
        rb"PK\x03\x04",
        "a zip archive or an Excel file",
        f"unzip it, or: {_PANDAS.format('read_excel({path!r})')}",
    ),
    (
        rb"\xd0\xcf\x11\xe0",
        "an old Excel file",
        _PANDAS.format("read_excel({path!r})"),
    ),
    (
        rb"\x80[\x02-\x05]",
        "a Python pickle, which could run code when it is read",
        'where you trust it: python -c "import json, pickle; '
        "json.dump(pickle.load(open({path!r}, 'rb')), open('captions.json', 'w'))\"",
    ),
    (
        rb"\x93NUMPY",
        "an array of NumPy",
        'python -c "import json, numpy; '
        "json.dump(numpy.load({path!r}).tolist(), open('captions.json', 'w'))\"",
    ),
    (rb"\x89HDF", "HDF5", _PANDAS.format("read_hdf({path!r})")),
    (rb"SQLite format 3", "an SQLite database", "sqlite3 -header -csv {path!r} 'SELECT ...'"),
    (rb"ARROW1|FEA1", "Arrow or Feather", _PANDAS.format("read_feather({path!r})")),
    (rb"\s*<", "XML or HTML", _PANDAS.format("read_xml({path!r})")),
    (rb"%PDF", "a PDF", "give the captions as text"),
    (rb"\x89PNG|\xff\xd8\xff|GIF8", "a picture", "give the captions of pictures"),
)
"""How files of a kind begin, what they are, and the line that converts them."""


def refuse_other_kinds(path: Path, content: bytes) -> None:
    """Raise DataError for a file whose first bytes say that it is no text with captions."""
    for start, kind, fix in _KINDS:
        if re.match(start, content):
            raise DataError(f"{path} is {kind}", fix.replace("{path!r}", repr(str(path))))

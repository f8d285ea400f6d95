"""What is said of a picture in the files that go with it: .json, .txt and .caption."""

from __future__ import annotations

import json
from collections.abc import Mapping

from ediffi.data.readers.record import Row, Unusable, parse

LINES = (".txt", ".caption")
SIDECARS = (".json", *LINES)


def read_sidecars(files: Mapping[str, bytes]) -> Row:
    """The .json's fields; without captions in it, every line of a text file is one.

    A .json may also be a list of captions, and a text file a JSON array of them, as img2dataset
    writes several. files: contents by suffix.

    Raises:
        Unusable: a file is not what its suffix says.
    """
    row = Row()
    if ".json" in files:
        try:
            about = json.loads(files[".json"])
        except UnicodeDecodeError as error:
            raise Unusable("caption is not UTF-8", f".json, byte {error.start}") from error
        except (ValueError, RecursionError) as error:
            raise Unusable("bad row", f".json: {error}") from error
        row = parse(Row, {"captions": about} if isinstance(about, list) else about)
    text = next((suffix for suffix in LINES if suffix in files), None)
    if row.captions or text is None:
        return row
    try:
        said = files[text].decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise Unusable("caption is not UTF-8", f"{text}, byte {error.start}") from error
    lines = said if said.lstrip().startswith("[") else said.splitlines()
    captions = parse(Row, {"captions": lines}).captions
    return row.model_copy(update={"captions": captions})

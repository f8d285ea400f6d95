"""What pictures tell beside their pixels, for anybody to read and write: how they were made, as
text and as JSON, and IPTC's digital source type.

A PNG has two text chunks and an XMP packet; JPEG and WebP have everything in the packet.
"""

from __future__ import annotations

import html
import io
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from xml.sax.saxutils import escape, quoteattr

from PIL import Image

READABLE, MACHINE = "parameters", "ediffi"  # names of a PNG's two text chunks
PNG_XMP = "XML:com.adobe.xmp"
PACKET = """<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>
<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF
 xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><rdf:Description rdf:about=""
 xmlns:Iptc4xmpExt="http://iptc.org/std/Iptc4xmpExt/2008-02-29/"
 xmlns:dc="http://purl.org/dc/elements/1.1/" xmlns:xmp="http://ns.adobe.com/xap/1.0/"
 xmlns:ediffi="urn:ediffi:xmp/1.0/"
 Iptc4xmpExt:DigitalSourceType={source_type}
 xmp:CreatorTool={tool}{parameters}>{description}</rdf:Description></rdf:RDF></x:xmpmeta>
<?xpacket end="r"?>"""
DESCRIPTION = (
    '<dc:description><rdf:Alt><rdf:li xml:lang="x-default">{}</rdf:li></rdf:Alt></dc:description>'
)
# as attribute (ours) or as element (others')
SOURCE_TYPE = re.compile(r"Iptc4xmpExt:DigitalSourceType(?:=[\"']|>)\s*([^\"'<\s]+)")
PARAMETERS = re.compile(r"ediffi:parameters=(\"[^\"]*\"|'[^']*')")


def write_xmp(source_type: str, tool: str, *, description: str = "", parameters: str = "") -> str:
    """A packet. description: for people; parameters: JSON, for `read_metadata`."""
    return PACKET.format(
        source_type=quoteattr(source_type),
        tool=quoteattr(tool),
        parameters=f"\n ediffi:parameters={quoteattr(parameters)}" if parameters else "",
        description=DESCRIPTION.format(escape(description)) if description else "",
    )


@dataclass(frozen=True)
class Metadata:
    """source_type: IPTC's; parameters: how the picture was made, as `save_picture` was told."""

    source_type: str | None = None
    parameters: dict[str, Any] | None = None

    @property
    def tells(self) -> bool:
        """Whether it says that a model made the picture."""
        return self.parameters is not None or "lgorithmicMedia" in (self.source_type or "")


def read_metadata(data: bytes) -> Metadata:
    """Of a picture file that can be opened, see `core.pictures.read_picture`."""
    with Image.open(io.BytesIO(data)) as image:
        info: Mapping[Any, Any] = image.info
        packet = info.get(PNG_XMP) or info.get("xmp") or ""
        text = info.get(MACHINE)
    xmp = packet.decode("utf-8", "replace") if isinstance(packet, bytes) else str(packet)
    source = SOURCE_TYPE.search(xmp)
    if text is None:
        found = PARAMETERS.search(xmp)
        text = html.unescape(found[1][1:-1]) if found else "null"
    try:
        parameters = json.loads(text)
    except (ValueError, RecursionError, TypeError):
        parameters = None
    return Metadata(
        html.unescape(source[1]) if source else None,
        parameters if isinstance(parameters, dict) else None,
    )

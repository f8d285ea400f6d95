"""The XMP packet of a picture: IPTC's digital source type, and how the picture was made."""

from __future__ import annotations

import html
import re
from xml.sax.saxutils import escape, quoteattr

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
    """A packet. description: for people; parameters: JSON, for `read_parameters`."""
    return PACKET.format(
        source_type=quoteattr(source_type),
        tool=quoteattr(tool),
        parameters=f"\n ediffi:parameters={quoteattr(parameters)}" if parameters else "",
        description=DESCRIPTION.format(escape(description)) if description else "",
    )


def read_source_type(xmp: str) -> str | None:
    """The digital source type that a packet tells, if it does."""
    found = SOURCE_TYPE.search(xmp)
    return html.unescape(found[1]) if found else None


def read_xmp_parameters(xmp: str) -> str | None:
    """The JSON that `write_xmp` was given."""
    found = PARAMETERS.search(xmp)
    return html.unescape(found[1][1:-1]) if found else None

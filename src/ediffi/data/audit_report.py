"""An audit as a folder that a browser shows: index.html, plots, audit.json, croissant.json."""

from __future__ import annotations

import io
import json
from importlib import resources
from pathlib import Path

import numpy as np
from PIL import Image

from ediffi.core.errors import UserError
from ediffi.core.files import make_folder, replace_all
from ediffi.core.pictures import square
from ediffi.core.pixels import grid
from ediffi.core.types import Pixels
from ediffi.data.audit import Audit
from ediffi.data.audit_plots import plots
from ediffi.data.entries import Entries
from ediffi.language.people import SKINS

THUMBNAIL = 96  # pixels


def write_report(
    audit: Audit, entries: Entries, folder: Path, *, croissant: str, policy_name: str = ""
) -> Path:
    """Write the report and return its page. croissant: JSON-LD, see `data.croissant`.

    Raises:
        UserError: a library of the extra `audit` is missing, or a file cannot be written.
    """
    drawn = {name: (text, data) for name, text, data in plots(audit)}
    files = {folder / name: data for name, (_, data) in drawn.items()}
    if audit.near:
        files[folder / "near.png"] = _pairs(audit, entries)
    audited = json.dumps(audit.as_json(), indent=1, ensure_ascii=False)
    files[folder / "audit.json"] = audited.encode()
    files[folder / "croissant.json"] = croissant.encode()
    page = folder / "index.html"
    captions = {name: text for name, (text, _) in drawn.items()}
    files[page] = _page(audit, captions, policy_name).encode()
    make_folder(folder)
    replace_all(files)
    return page


def _page(audit: Audit, captions: dict[str, str], policy_name: str) -> str:
    """The HTML; whatever a collection says is escaped."""
    try:
        from jinja2 import Environment
        from markupsafe import Markup
    except ImportError as error:
        raise UserError(f"reports need {error.name}: run: pip install 'ediffi[audit]'") from error

    def plot(name: str) -> str:
        if name not in captions:
            return ""
        figure = (
            '<figure class="plot"><img src="{0}" alt="{1}"><figcaption>{1}.</figcaption></figure>'
        )
        return Markup(figure).format(name, captions[name])

    text = resources.files("ediffi.data").joinpath("audit.html").read_text("utf-8")
    template = Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True).from_string(text)
    return template.render(audit=audit, plot=plot, policy_name=policy_name, tones=SKINS)


def _pairs(audit: Audit, entries: Entries) -> bytes:
    """The shown look-alikes as a PNG, each pair side by side."""
    wanted = {name for pair in audit.near for name in pair}
    found: dict[str, Pixels] = {}
    for number in range(len(entries)):
        name = entries.entry(number).name
        if name in wanted and name not in found:
            found[name] = np.asarray(square(entries.picture(number), THUMBNAIL))
    pairs = [np.hstack([found[a], found[b]]) for a, b in audit.near]
    buffer = io.BytesIO()
    Image.fromarray(grid(np.stack(pairs), columns=6)).save(buffer, "PNG")
    return buffer.getvalue()

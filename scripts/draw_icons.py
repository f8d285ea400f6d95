"""Draw some pictures of an Iconify set as PNG files, to take styles from that no model was taught.

    npm pack @iconify-json/openmoji@1.2.29 @iconify-json/emojione-v1@1.2.3
    python scripts/draw_icons.py iconify-json-openmoji-1.2.29.tgz -o styles rocket pizza
    python -m studies style --references styles -o report

Both sets are CC BY-SA 4.0: pictures of them are for looking, not for training shipped weights.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from PIL import Image

from ediffi.pictogram.join import read_json
from ediffi.pictogram.rasterize import render_svg

SIDE = 256


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("archive", type=Path)
    parser.add_argument("names", nargs="+", help="of icons in the set")
    parser.add_argument("-o", "--output", type=Path, required=True)
    asked = parser.parse_args()
    icons = read_json(asked.archive, "icons.json")
    asked.output.mkdir(parents=True, exist_ok=True)
    for name in asked.names:
        if name not in icons["icons"]:
            raise SystemExit(f"{asked.archive} has no icon {name!r}")
        icon = {"left": 0, "top": 0, "width": 16, "height": 16, **icons, **icons["icons"][name]}
        view = (icon["left"], icon["top"], icon["width"], icon["height"])
        pixels = render_svg(icon["body"], view, SIDE, SIDE)  # premultiplied
        picture = pixels[..., :3] + (255 - pixels[..., 3:])  # on white
        path = asked.output / f"{icons['prefix']}-{name}.png"
        Image.fromarray(picture).save(path)
        print(path)


if __name__ == "__main__":
    main()

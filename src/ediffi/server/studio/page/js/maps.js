// A map as a whole: a picture whose colours are given to words of the prompt.
import { html, useEffect, useRef, useState } from "./lib.js";
import { SIDE, pixelsOf } from "./masks.js";
import { found } from "./phrases.js";

const REACH = 64; // RGB distance up to which a pixel is taken for a colour, as in docs/paint.md
const NUM_COLOURS = 8;

export function MapDialog({ picture, settings, onDone, onClose }) {
  const dialog = useRef(null);
  const [read, setRead] = useState(null); // {pixels, colours}
  const [phrases, setPhrases] = useState({});
  useEffect(() => dialog.current.showModal(), []);
  useEffect(() => {
    createImageBitmap(picture).then((image) => {
      const pixels = pixelsOf(image);
      setRead({ pixels, colours: coloursOf(pixels) });
    }, () => onClose("That file is not a picture."));
  }, [picture]);

  const named = Object.entries(phrases).filter(([, phrase]) => phrase.trim());
  const wrong = named.find(([, phrase]) => !found(settings.prompt, phrase.trim()));
  const use = (event) => {
    event.preventDefault();
    onDone(named.map(([colour, phrase]) => ({
      ...found(settings.prompt, phrase.trim()),
      alpha: maskOf(read.pixels, colour, read.colours),
    })));
  };
  return html`
    <dialog ref=${dialog} class="card" aria-labelledby="map-title" onClose=${() => onClose()}>
      <form onSubmit=${use}>
        <h2 id="map-title">Which colour is which words?</h2>
        <p class="hint">White, black and what you leave empty stay unpainted.</p>
        ${read && !read.colours.length && html`<p>This picture has no colour beside white and black.</p>`}
        <ul class="map-colours">
          ${read?.colours.map((colour) => html`
            <li key=${colour}>
              <span class="swatch" style=${{ background: colour }}></span>
              <input list="map-words" aria-label=${`Words of ${colour}`} value=${phrases[colour] || ""}
                onInput=${(event) => setPhrases({ ...phrases, [colour]: event.target.value })} />
            </li>`)}
        </ul>
        <datalist id="map-words">
          ${settings.prompt.split(/[^\p{L}\p{N}'’-]+/u).filter(Boolean).map((word) => html`<option value=${word} />`)}
        </datalist>
        ${wrong && html`<p class="error" role="alert">“${wrong[1]}” is not in the prompt.</p>`}
        <div class="row">
          <button type="button" class="quiet" onClick=${() => dialog.current.close()}>Cancel</button>
          <button class="primary end" disabled=${!named.length || wrong}>Use the map</button>
        </div>
      </form>
    </dialog>
  `;
}

/** The commonest colours of a map, near ones counted as one, white, black and clear left out. */
function coloursOf(pixels) {
  const counts = new Map();
  for (let i = 0; i < pixels.length; i += 4) {
    if (pixels[i + 3] < 128) continue;
    const code = (pixels[i] << 16) | (pixels[i + 1] << 8) | pixels[i + 2];
    counts.set(code, (counts.get(code) || 0) + 1);
  }
  const kept = [0xffffff, 0x000000];
  for (const [code, count] of [...counts].sort((a, b) => b[1] - a[1])) {
    if (count < (SIDE * SIDE) / 1000 || kept.length === NUM_COLOURS + 2) break;
    if (kept.every((other) => apart(rgb(code), rgb(other)) > REACH)) kept.push(code);
  }
  return kept.slice(2).map((code) => `#${code.toString(16).padStart(6, "0")}`);
}

/** Where a colour is nearest, among all of the map's and white and black. */
function maskOf(pixels, colour, colours) {
  const known = ["#ffffff", "#000000", ...colours].map((text) => rgb(parseInt(text.slice(1), 16)));
  const wanted = rgb(parseInt(colour.slice(1), 16));
  const out = new Uint8Array(SIDE * SIDE);
  for (let i = 0; i < out.length; i++) {
    const pixel = pixels.subarray(4 * i, 4 * i + 3);
    const distance = apart(pixel, wanted);
    if (pixels[4 * i + 3] >= 128 && known.every((other) => apart(pixel, other) >= distance)) out[i] = 255;
  }
  return out;
}

const rgb = (code) => [(code >> 16) & 255, (code >> 8) & 255, code & 255];

const apart = (a, b) => Math.hypot(a[0] - b[0], a[1] - b[1], a[2] - b[2]);

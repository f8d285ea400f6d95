// A picture of the server, and two of them under a slider.
import { html, useEffect, useState } from "./lib.js";
import { blob, hasKey } from "./api.js";

/** Where the browser can get a picture from: a key cannot be sent by <img>. */
export function useSource(url) {
  const direct = !url || url.startsWith("data:") || !hasKey();
  const [source, setSource] = useState(null);
  useEffect(() => {
    if (direct) return undefined;
    let made = null;
    let left = false;
    blob(url).then((data) => {
      if (left) return;
      made = URL.createObjectURL(data);
      setSource(made);
    }, () => setSource(null));
    return () => {
      left = true;
      if (made) URL.revokeObjectURL(made);
    };
  }, [url, direct]);
  return direct ? url : source;
}

export function Picture({ url, alt, ...rest }) {
  const source = useSource(url);
  return source
    ? html`<img src=${source} alt=${alt} draggable=${false} ...${rest} />`
    : html`<span class="waiting" role=${alt ? "img" : undefined} aria-label=${alt || undefined}></span>`;
}

/** Two pictures on one square; the slider says how much of the left one is seen. */
export function Compare({ before, after }) {
  const [share, setShare] = useState(50);
  return html`
    <div class="compare" style=${{ "--share": `${share}%` }}>
      <${Picture} url=${after.src} alt=${after.label} />
      <${Picture} url=${before.src} alt=${before.label} class="before" />
      <span class="handle" aria-hidden="true"></span>
      <input type="range" min="0" max="100" step="1" value=${share} aria-label="How much of the first picture is seen"
        onInput=${(event) => setShare(Number(event.target.value))} />
      <span class="side left" aria-hidden="true">${before.label}</span>
      <span class="side right" aria-hidden="true">${after.label}</span>
    </div>
  `;
}

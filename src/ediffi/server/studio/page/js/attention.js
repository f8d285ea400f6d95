// What each part is: where the words of the prompt went in a picture. Shows nothing where the
// server does not tell.
import { html, useEffect, useRef, useState } from "./lib.js";
import { call } from "./api.js";
import { SIDE } from "./masks.js";

let served = true; // until the server says that it does not tell
const PART = 0.5; // of a map's largest value, above which a place is taken for the phrase's

export function Words({ job, n, picture, onTake, children }) {
  const phrases = useAttention(job, n, picture.done);
  const [hovered, setHovered] = useState(null);
  const canvas = useRef(null);
  useEffect(() => {
    if (hovered !== null && canvas.current) show(canvas.current, phrases[hovered]);
  }, [hovered]);
  const one = hovered !== null && phrases[hovered];
  return html`
    <div class="words">
      ${children}
      ${one && html`<canvas ref=${canvas} class="attention" width=${one.size} height=${one.size} aria-hidden="true"></canvas>`}
      ${phrases.length > 0 && html`
        <div class="word-list" role="group" aria-label="Where each word went" onMouseLeave=${() => setHovered(null)}>
          ${phrases.map((phrase, i) => html`
            <button type="button" key=${i} aria-label=${`Take the place of ${phrase.word} as a region`} title="Take as a region"
              onMouseEnter=${() => setHovered(i)} onFocus=${() => setHovered(i)} onBlur=${() => setHovered(null)}
              onClick=${() => onTake(picture, phrase.word, () => maskOf(phrase))}>${phrase.word}</button>`)}
        </div>`}
    </div>
  `;
}

/** Words of a picture, each with its map as bytes; [] if untold. */
function useAttention(job, n, done) {
  const [told, setTold] = useState({ of: null, phrases: [] });
  const of = `${job.id}/${n}`;
  useEffect(() => {
    if (!done || !served) return undefined;
    const stopped = new AbortController();
    call("/v1/attention", { json: { id: job.id, n }, signal: stopped.signal }).then(
      (answer) => setTold({ of, phrases: answer.phrases.map(decoded) }),
      (error) => { if (error.status === 404 || error.status === 405) served = false; },
    );
    return () => stopped.abort();
  }, [of, done]);
  return told.of === of ? told.phrases : [];
}

function decoded(phrase) {
  const size = Array.isArray(phrase.size) ? phrase.size[0] : phrase.size;
  return {
    word: phrase.word,
    size,
    map: Uint8Array.from(atob(phrase.map), (char) => char.charCodeAt(0)),
  };
}

function show(canvas, { map, size }) {
  const context = canvas.getContext("2d");
  const image = context.createImageData(size, size);
  map.forEach((value, i) => image.data.set([255, 214, 80, 0.85 * value], 4 * i));
  context.putImageData(image, 0, 0);
}

/** A map as a mask of the painter, enlarged smoothly and cut at a part of its largest value. */
function maskOf({ map, size }) {
  const small = Object.assign(document.createElement("canvas"), { width: size, height: size });
  const image = small.getContext("2d").createImageData(size, size);
  map.forEach((value, i) => image.data.set([value, value, value, 255], 4 * i));
  small.getContext("2d").putImageData(image, 0, 0);
  const large = Object.assign(document.createElement("canvas"), { width: SIDE, height: SIDE });
  const context = large.getContext("2d");
  context.drawImage(small, 0, 0, SIDE, SIDE);
  const { data } = context.getImageData(0, 0, SIDE, SIDE);
  const least = PART * Math.max(...map);
  return Uint8Array.from({ length: SIDE * SIDE }, (_, i) => (data[4 * i] > least ? 255 : 0));
}

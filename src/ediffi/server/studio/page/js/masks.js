// What is painted: for every region a canvas in its colour, whose alpha is the mask. One place
// belongs to one phrase: painting it takes it from the others, in the measure of the opacity.
import { getStroke } from "perfect-freehand";

export const SIDE = 512;
const UNDO_DEPTH = 30;
const PAINTED = 127; // alpha above which a place counts as painted

export class Masks {
  constructor(changed) {
    this.layers = new Map(); // id of a region -> its canvas
    this.colours = new Map();
    this.past = [];
    this.future = [];
    this.changed = changed;
  }

  /** The canvas of a region, made if there is none. */
  layer(id, colour) {
    if (!this.layers.has(id)) {
      this.layers.set(id, newCanvas());
      this.colours.set(id, colour);
    }
    return this.layers.get(id);
  }

  /** Paint a shape for a region, or take it from all of them where id is null. */
  paint(id, draw, opacity = 1) {
    this.remember();
    for (const [other, canvas] of this.layers) {
      const context = canvas.getContext("2d");
      context.globalCompositeOperation = other === id ? "source-over" : "destination-out";
      context.globalAlpha = opacity;
      context.fillStyle = this.colours.get(other);
      draw(context);
      context.globalAlpha = 1;
    }
    this.changed();
  }

  /** Fill the connected area of one owner, or of none, around a place. */
  fill(id, x, y, opacity) {
    const owner = this.owners();
    this.paintPlaces(id, flooded(owner, Math.floor(x), Math.floor(y)), opacity);
  }

  /** Everything that no region has. */
  fillRest(id, opacity) {
    const owner = this.owners();
    this.paintPlaces(id, owner.map((one) => (one < 0 ? 1 : 0)), opacity);
  }

  /** Replace a region's mask. alpha: (SIDE * SIDE) values from 0 to 255. */
  set(id, alpha) {
    this.remember();
    write(this.layers.get(id), alpha, this.colours.get(id));
    this.changed();
  }

  clear(id) {
    this.remember();
    this.layers.get(id).getContext("2d").clearRect(0, 0, SIDE, SIDE);
    this.changed();
  }

  remove(id) {
    this.remember();
    this.layers.delete(id);
    this.changed();
  }

  /** Nothing is painted, and nothing to undo. */
  reset() {
    this.layers.clear();
    this.past = [];
    this.future = [];
    this.changed();
  }

  undo() {
    this.travel(this.past, this.future);
  }

  redo() {
    this.travel(this.future, this.past);
  }

  /** Shares of the canvas, by region, and under null what is left unpainted. */
  shares() {
    const owner = this.owners();
    const counts = new Map([...this.layers.keys()].map((id) => [id, 0]));
    const ids = [...this.layers.keys(), null];
    for (const one of owner) {
      const id = ids.at(one);
      counts.set(id, (counts.get(id) || 0) + 1 / owner.length);
    }
    return counts;
  }

  /** A region's mask as the server reads it: grey, white where painted, a data URI. */
  uri(id) {
    const out = newCanvas();
    const context = out.getContext("2d");
    context.drawImage(this.layers.get(id), 0, 0);
    context.globalCompositeOperation = "source-in";
    context.fillStyle = "#fff";
    context.fillRect(0, 0, SIDE, SIDE);
    context.globalCompositeOperation = "destination-over";
    context.fillStyle = "#000";
    context.fillRect(0, 0, SIDE, SIDE);
    return out.toDataURL("image/png");
  }

  // Which layer every place belongs to, counted as in `layers`; -1 for none.
  owners() {
    const owner = new Int16Array(SIDE * SIDE).fill(-1);
    const most = new Uint8Array(SIDE * SIDE).fill(PAINTED);
    [...this.layers.values()].forEach((canvas, number) => {
      const alpha = read(canvas);
      for (let i = 0; i < alpha.length; i++) {
        if (alpha[i] > most[i]) {
          most[i] = alpha[i];
          owner[i] = number;
        }
      }
    });
    return owner;
  }

  paintPlaces(id, places, opacity) {
    const stencil = newCanvas();
    write(stencil, places.map((one) => 255 * one), this.colours.get(id));
    this.paint(id, (context) => context.drawImage(stencil, 0, 0), opacity);
  }

  remember() {
    this.past.push(this.snapshot());
    if (this.past.length > UNDO_DEPTH) this.past.shift();
    this.future = [];
  }

  snapshot() {
    return new Map([...this.layers].map(([id, canvas]) => [id, read(canvas)]));
  }

  travel(from, to) {
    if (!from.length) return;
    to.push(this.snapshot());
    const then = from.pop();
    for (const [id, canvas] of this.layers) {
      write(canvas, then.get(id) || new Uint8Array(SIDE * SIDE), this.colours.get(id));
    }
    this.changed();
  }
}

/** A stroke's outline as a path; points: [x, y, pressure]. A mouse has no pressure. */
export function strokePath(points, size, pen) {
  const outline = getStroke(points, {
    size,
    thinning: pen ? 0.6 : 0,
    simulatePressure: false,
    smoothing: 0.5,
    streamline: 0.3,
  });
  return new Path2D(outline.length ? `M${outline.map(([x, y]) => `${x} ${y}`).join("L")}Z` : "");
}

/** The alpha of a picture's brightness, at the size of a mask. */
export function brightness(image) {
  const pixels = pixelsOf(image);
  const out = new Uint8Array(SIDE * SIDE);
  for (let i = 0; i < out.length; i++) {
    const [r, g, b, a] = pixels.subarray(4 * i, 4 * i + 4);
    out[i] = ((0.299 * r + 0.587 * g + 0.114 * b) * a) / 255;
  }
  return out;
}

/** RGBA of the middle square of a picture, unsmoothed, so that a map keeps its colours. */
export function pixelsOf(image) {
  const context = newCanvas().getContext("2d");
  const side = Math.min(image.width, image.height);
  const left = (image.width - side) / 2;
  context.imageSmoothingEnabled = false;
  context.drawImage(image, left, (image.height - side) / 2, side, side, 0, 0, SIDE, SIDE);
  return context.getImageData(0, 0, SIDE, SIDE).data;
}

function newCanvas() {
  const canvas = document.createElement("canvas");
  canvas.width = canvas.height = SIDE;
  canvas.getContext("2d", { willReadFrequently: true });
  return canvas;
}

function read(canvas) {
  const { data } = canvas.getContext("2d").getImageData(0, 0, SIDE, SIDE);
  const alpha = new Uint8Array(SIDE * SIDE);
  for (let i = 0; i < alpha.length; i++) alpha[i] = data[4 * i + 3];
  return alpha;
}

function write(canvas, alpha, colour) {
  const context = canvas.getContext("2d");
  const image = context.createImageData(SIDE, SIDE);
  const [r, g, b] = [1, 3, 5].map((at) => parseInt(colour.slice(at, at + 2), 16));
  for (let i = 0; i < alpha.length; i++) image.data.set([r, g, b, alpha[i]], 4 * i);
  context.putImageData(image, 0, 0);
}

// 1 for every place that hangs together with (x, y) and has its owner.
function flooded(owner, x, y) {
  const out = new Uint8Array(owner.length);
  const whose = owner[y * SIDE + x];
  const waiting = [y * SIDE + x];
  while (waiting.length) {
    const at = waiting.pop();
    if (out[at] || owner[at] !== whose) continue;
    out[at] = 1;
    if (at % SIDE) waiting.push(at - 1);
    if ((at + 1) % SIDE) waiting.push(at + 1);
    if (at >= SIDE) waiting.push(at - SIDE);
    if (at < owner.length - SIDE) waiting.push(at + SIDE);
  }
  return out;
}

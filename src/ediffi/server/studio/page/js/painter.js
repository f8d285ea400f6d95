// The canvas on which phrases are painted: pen, mouse, finger, or keys and numbers.
import { html, useEffect, useRef } from "./lib.js";
import { SIDE, strokePath } from "./masks.js";
import { Picture } from "./picture.js";

const STEP = 0.02; // of the canvas, by which keys move a box

export function Painter({ masks, version, settings, tools, setTools, under }) {
  const region = settings.regions.find((one) => one.id === settings.active && one.start !== null);
  const shown = useRef(null);
  const above = useRef(null);
  const cursor = useRef(null);
  const stroke = useRef(null); // {points, pen} while one is drawn
  const penSeen = useRef(false);
  const erasing = tools.tool === "eraser";
  const able = erasing || region;

  useEffect(() => {
    const context = shown.current.getContext("2d");
    context.clearRect(0, 0, SIDE, SIDE);
    for (const canvas of masks.layers.values()) context.drawImage(canvas, 0, 0);
  }, [version]);

  useEffect(() => drawAbove(), [tools, settings.active]);

  function drawAbove() {
    const context = above.current.getContext("2d");
    context.clearRect(0, 0, SIDE, SIDE);
    context.globalAlpha = erasing ? 0.5 : tools.opacity;
    context.fillStyle = erasing ? "#808080" : region?.colour || "#808080";
    if (stroke.current) context.fill(path());
    context.globalAlpha = 1;
    if (tools.tool === "box" && region) dashed(context, tools.box, region.colour);
  }

  const path = () => strokePath(stroke.current.points, tools.size, stroke.current.pen);

  function place(event) {
    const frame = above.current.getBoundingClientRect();
    const x = ((event.clientX - frame.left) / frame.width) * SIDE;
    const y = ((event.clientY - frame.top) / frame.height) * SIDE;
    return [x, y, event.pointerType === "pen" ? event.pressure : 0.5];
  }

  function down(event) {
    if (event.pointerType === "pen") penSeen.current = true;
    const palm = event.pointerType === "touch" && penSeen.current;
    if (!able || palm || !event.isPrimary || event.button) return;
    const point = place(event);
    above.current.setPointerCapture(event.pointerId);
    if (tools.tool === "fill") {
      masks.fill(region.id, clamp(point[0]), clamp(point[1]), tools.opacity);
    } else {
      stroke.current = { points: [point], pen: event.pointerType === "pen" };
      if (tools.tool === "box") stretch(point);
      drawAbove();
    }
  }

  function move(event) {
    follow(event);
    if (!stroke.current) return;
    const all = event.getCoalescedEvents?.() ?? [];
    for (const one of all.length ? all : [event]) stroke.current.points.push(place(one));
    if (tools.tool === "box") stretch(stroke.current.points.at(-1));
    drawAbove();
  }

  function up() {
    if (!stroke.current) return;
    if (tools.tool === "box") {
      paintBox(masks, region, tools);
    } else {
      const drawn = path();
      masks.paint(erasing ? null : region.id, (context) => context.fill(drawn), erasing ? 1 : tools.opacity);
    }
    stroke.current = null;
    drawAbove();
  }

  function cancel() {
    stroke.current = null;
    drawAbove();
  }

  function stretch([x, y]) {
    const [left, top] = stroke.current.points[0];
    setTools({ box: boxOf(left / SIDE, top / SIDE, x / SIDE, y / SIDE) });
  }

  function follow(event) {
    const frame = above.current.getBoundingClientRect();
    const side = (tools.size / SIDE) * frame.width;
    Object.assign(cursor.current.style, {
      width: `${side}px`, height: `${side}px`,
      left: `${event.clientX - frame.left}px`, top: `${event.clientY - frame.top}px`,
    });
  }

  function key(event) {
    const sense = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
    if (tools.tool !== "box" || !region) return;
    if (sense) {
      event.preventDefault();
      setTools({ box: nudged(tools.box, sense, event.shiftKey) });
    } else if (event.key === "Enter") {
      paintBox(masks, region, tools);
    }
  }

  const round = tools.tool === "brush" || erasing;
  return html`
    <div class="painter ${round && able ? "brushing" : ""}">
      ${under && tools.see && html`<${Picture} url=${under} alt="The picture beneath the paint" class="under" />`}
      <canvas ref=${shown} width=${SIDE} height=${SIDE} class="paint" aria-hidden="true"></canvas>
      <canvas ref=${above} width=${SIDE} height=${SIDE} class="above" tabindex="0" role="application"
        aria-label=${label(tools, region)} onPointerDown=${down} onPointerMove=${move} onPointerUp=${up}
        onPointerCancel=${cancel} onKeyDown=${key}
        onContextMenu=${(event) => event.preventDefault()}></canvas>
      <span ref=${cursor} class="cursor" aria-hidden="true"></span>
      ${!able && html`<p class="over">Select words in the prompt, press <b>Paint</b>, and draw where they go.</p>`}
    </div>
  `;
}

export function paintBox(masks, region, { box, opacity }) {
  const [x, y, width, height] = box.map((share) => share * SIDE);
  masks.paint(region.id, (context) => context.fillRect(x, y, width, height), opacity);
}

function label(tools, region) {
  if (!region) return "Canvas. Choose words to paint first.";
  return tools.tool === "box"
    ? `Canvas. A box for ${region.text}: arrow keys move it, with Shift they resize it, Enter paints it.`
    : `Canvas. Painting ${region.text}. Without a pointer, use the box.`;
}

function dashed(context, box, colour) {
  const [x, y, width, height] = box.map((share) => share * SIDE);
  context.lineWidth = 3;
  context.strokeStyle = "#fff";
  context.setLineDash([]);
  context.strokeRect(x, y, width, height);
  context.strokeStyle = colour;
  context.setLineDash([10, 7]);
  context.strokeRect(x, y, width, height);
}

const clamp = (value) => Math.min(SIDE - 1, Math.max(0, value));

function boxOf(x0, y0, x1, y1) {
  const [left, right] = [x0, x1].map((x) => Math.min(1, Math.max(0, x))).sort((a, b) => a - b);
  const [top, bottom] = [y0, y1].map((y) => Math.min(1, Math.max(0, y))).sort((a, b) => a - b);
  return [left, top, right - left, bottom - top];
}

function nudged([x, y, width, height], [right, down], resize) {
  if (resize) return fit([x, y, width + STEP * right, height + STEP * down]);
  return fit([x + STEP * right, y + STEP * down, width, height]);
}

/** A box kept on the canvas and large enough to be seen. */
export function fit([x, y, width, height]) {
  const w = Math.min(1, Math.max(STEP, width));
  const h = Math.min(1, Math.max(STEP, height));
  return [Math.min(1 - w, Math.max(0, x)), Math.min(1 - h, Math.max(0, y)), w, h];
}

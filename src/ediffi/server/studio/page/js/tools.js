// The painter's tools.
import { html } from "./lib.js";
import { Icon, IconButton } from "./icons.js";
import { fit, paintBox } from "./painter.js";

export const TOOLS = { tool: "brush", size: 56, opacity: 1, box: [0.3, 0.3, 0.4, 0.4], see: true };
const NAMES = { brush: "Brush", box: "Box", fill: "Fill", eraser: "Eraser" };
const SIDES = ["Left", "Top", "Width", "Height"];

export function Toolbar({ tools, setTools, masks, under }) {
  return html`
    <div class="toolbar" role="toolbar" aria-label="Painting">
      <div class="segmented" role="group" aria-label="Tool">
        ${Object.entries(NAMES).map(([name, label]) => html`
          <button type="button" key=${name} aria-pressed=${String(tools.tool === name)} title=${label}
            aria-label=${label} onClick=${() => setTools({ tool: name })}><${Icon} name=${name} /></button>`)}
      </div>
      ${under && html`<${IconButton} name="eye" label="Show the picture beneath" pressed=${tools.see}
        onClick=${() => setTools({ see: !tools.see })} />`}
      <${IconButton} name="undo" label="Undo" disabled=${!masks.past.length} onClick=${() => masks.undo()} />
      <${IconButton} name="redo" label="Redo" disabled=${!masks.future.length} onClick=${() => masks.redo()} />
    </div>
  `;
}

/** What the chosen tool can be told, below the canvas. */
export function ToolOptions({ tools, setTools, masks, region }) {
  const round = tools.tool === "brush" || tools.tool === "eraser";
  return html`
    <div class="status tool-options">
      ${round && html`<${Slider} label="Size" value=${tools.size} min=${6} max=${200} step=${2}
        onChange=${(size) => setTools({ size })} />`}
      ${tools.tool === "box" && html`<${BoxFields} tools=${tools} setTools=${setTools} masks=${masks} region=${region} />`}
      ${tools.tool === "fill" && html`
        <button type="button" class="soft" disabled=${!region} onClick=${() => masks.fillRest(region.id, tools.opacity)}>
          Fill what is left</button>`}
      ${tools.tool !== "eraser" && html`<${Slider} label="Opacity" value=${tools.opacity} min=${0.1} max=${1} step=${0.05}
        onChange=${(opacity) => setTools({ opacity })} />`}
    </div>
  `;
}

const Slider = ({ label, value, onChange, ...range }) => html`
  <label class="slider">${label}
    <input type="range" value=${value} ...${range} onInput=${(event) => onChange(Number(event.target.value))} />
  </label>
`;

/** A box by numbers, for who cannot drag one. */
function BoxFields({ tools, setTools, masks, region }) {
  const change = (i, value) => {
    if (Number.isFinite(value)) setTools({ box: fit(tools.box.with(i, value / 100)) });
  };
  return html`
    <form class="box-fields" onSubmit=${(event) => { event.preventDefault(); paintBox(masks, region, tools); }}>
      ${SIDES.map((side, i) => html`
        <label key=${side}>${side} %
          <input type="number" min="0" max="100" step="1" value=${Math.round(100 * tools.box[i])}
            onChange=${(event) => change(i, event.target.valueAsNumber)} />
        </label>`)}
      <button class="soft" disabled=${!region}>Paint box</button>
    </form>
  `;
}

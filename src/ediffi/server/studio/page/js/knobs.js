// Seed, quality, and everything else under Advanced.
import { html, randomSeed } from "./lib.js";
import { IconButton } from "./icons.js";
import { QUALITIES, stepsOf } from "./settings.js";

export function Knobs({ model, settings, set }) {
  const touched = Object.keys(settings.steps).length > 0;
  return html`
    <section class="card" aria-labelledby="knobs-title">
      <h2 id="knobs-title">Seed and quality</h2>
      <div class="row">
        <label class="field">Seed
          <input type="number" min="0" step="1" value=${settings.seed}
            onChange=${(event) => event.target.validity.valid && set({ seed: event.target.valueAsNumber || 0, locked: true })} />
        </label>
        <${IconButton} name="dice" label="Another seed" onClick=${() => set({ seed: randomSeed() })} />
        <${IconButton} name=${settings.locked ? "lock" : "unlock"} label="Keep this seed" pressed=${settings.locked}
          onClick=${() => set({ locked: !settings.locked })} />
        <span class="hint">${settings.locked ? "kept" : "new each time"}</span>
      </div>
      <div class="segmented wide" role="group" aria-label="Quality">
        ${Object.entries(QUALITIES).map(([name, { label, says }]) => html`
          <button type="button" key=${name} title=${says} aria-pressed=${String(!touched && settings.quality === name)}
            onClick=${() => set({ quality: name, steps: {} })}>${label}</button>`)}
      </div>
      <p class="hint">${touched ? "Steps set by hand" : `Steps: ${QUALITIES[settings.quality].says}`}</p>
      <${Advanced} model=${model} settings=${settings} set=${set} />
    </section>
  `;
}

function Advanced({ model, settings, set }) {
  const number = (group, stage, event) => {
    const rest = { ...settings[group] };
    delete rest[stage];
    const { value, valueAsNumber, validity } = event.target;
    if (validity.valid) set({ [group]: value === "" ? rest : { ...rest, [stage]: valueAsNumber } });
  };
  const roles = settings.roles ?? model.roles;
  const toggle = (role) => {
    const left = model.roles.filter((one) => (one === role ? !roles.includes(one) : roles.includes(one)));
    if (left.length) set({ roles: left.length === model.roles.length ? null : left });
  };
  return html`
    <details>
      <summary>Advanced</summary>
      <table>
        <thead><tr><th scope="col">Stage</th><th scope="col">Steps</th><th scope="col">Guidance</th></tr></thead>
        <tbody>
          ${model.stages.map((stage) => html`
            <tr key=${stage.name}>
              <th scope="row">${stage.name} <small>${stage.resolution} px</small></th>
              <td><input type="number" min="1" max=${model.limits.steps} step="1" aria-label=${`Steps of ${stage.name}`}
                placeholder=${stepsOf({ ...settings, steps: {} }, stage)} value=${settings.steps[stage.name] ?? ""}
                onChange=${(event) => number("steps", stage.name, event)} /></td>
              <td><input type="number" min="0" max="100" step="0.1" aria-label=${`Guidance of ${stage.name}`}
                placeholder=${stage.defaults.guidance_scale} value=${settings.guidance[stage.name] ?? ""}
                onChange=${(event) => number("guidance", stage.name, event)} /></td>
            </tr>`)}
        </tbody>
      </table>
      <div class="fields">
        <label class="field">Sampler
          <select value=${settings.sampler} onChange=${(event) => set({ sampler: event.target.value })}>
            <option value="">the model's own</option>
            ${model.samplers.map((name) => html`<option key=${name} value=${name}>${name}</option>`)}
          </select>
        </label>
        <label class="field">Tiles, px
          <input type="number" min="16" step="16" placeholder="whole" value=${settings.tile ?? ""}
            onChange=${(event) => event.target.validity.valid && set({ tile: event.target.valueAsNumber || null })} />
        </label>
        <label class="field">Paint's weight
          <input type="number" min="0" max="100" step="0.1" placeholder="0.5" value=${settings.paintWeight ?? ""}
            onChange=${(event) => set({ paintWeight: event.target.value === "" ? null : event.target.valueAsNumber })} />
        </label>
      </div>
      <div class="row wrap" role="group" aria-label="Encoders that are heard">
        <span class="hint">Listens to</span>
        ${model.roles.map((role) => html`
          <label key=${role} class="check">
            <input type="checkbox" checked=${roles.includes(role)} onChange=${() => toggle(role)} />${role}
          </label>`)}
      </div>
      <label class="check">
        <input type="checkbox" checked=${settings.looks} onChange=${(event) => set({ looks: event.target.checked })} />
        Seeds choose the style and background that the prompt leaves open
      </label>
      <label class="check">
        <input type="checkbox" checked=${settings.anyway} onChange=${(event) => set({ anyway: event.target.checked })} />
        Draw even if nothing in the prompt is known
      </label>
      <label class="check">
        <input type="checkbox" checked=${settings.precise} onChange=${(event) => set({ precise: event.target.checked })} />
        Full precision (slower)
      </label>
    </details>
  `;
}

// Painted phrases as chips: choose, retype, weigh, clear, take away; a map in one go.
import { html, percent, useRef } from "./lib.js";
import { Icon, IconButton } from "./icons.js";

export function Regions({ settings, set, masks, shares, onMap, on }) {
  const file = useRef(null);
  if (!settings.regions.length) return null;
  const change = (id, fields) =>
    set({ regions: settings.regions.map((one) => (one.id === id ? { ...one, ...fields } : one)) });
  return html`
    <section class="card" aria-labelledby="regions-title">
      <div class="row">
        <h2 id="regions-title">Painted words</h2>
        <span class="hint end">${percent(shares.get(null) ?? 1)} left unpainted</span>
      </div>
      <ul class="chips">
        ${settings.regions.map((region) => html`
          <${Chip} key=${region.id} region=${region} share=${shares.get(region.id) || 0}
            active=${region.id === settings.active} change=${(fields) => change(region.id, fields)}
            onChoose=${() => on.choosePhrase(region.id)} onPhrase=${(text) => on.retype(region.id, text)}
            onRemove=${() => on.takeAway(region.id)} onClear=${() => masks.clear(region.id)} />`)}
      </ul>
      <div class="row">
        <button type="button" class="quiet" onClick=${() => file.current.click()}>
          <${Icon} name="upload" />Upload a map
        </button>
        <input ref=${file} type="file" accept="image/*" hidden aria-label="A map, a picture in which each phrase has a colour"
          onChange=${(event) => { onMap(event.target.files[0]); event.target.value = ""; }} />
      </div>
    </section>
  `;
}

function Chip({ region, share, active, change, onChoose, onPhrase, onRemove, onClear }) {
  const lost = region.start === null;
  const state = lost ? "not in the prompt" : share ? percent(share) : "nothing painted yet";
  return html`
    <li class="chip ${active ? "active" : ""}" style=${{ "--hue": region.colour }}>
      <button type="button" class="dot" aria-pressed=${String(active)} aria-label=${`Paint ${region.text}`}
        title="Paint these words" onClick=${onChoose}></button>
      <input class="phrase-text" value=${region.text} aria-label="Words of this region" size=${Math.max(4, region.text.length)}
        onChange=${(event) => event.target.value.trim() && onPhrase(event.target.value.trim())} />
      <span class="state ${lost || !share ? "warn" : ""}">${state}</span>
      ${lost && html`<button type="button" class="offer" onClick=${() => onPhrase(region.text)}>put back</button>`}
      <${IconButton} name="close" label=${`Take away the region of ${region.text}`} onClick=${onRemove} />
      ${active && html`
        <div class="more">
          <label>Weight
            <input type="range" min="0" max="4" step="0.1" value=${region.weight}
              onInput=${(event) => change({ weight: Number(event.target.value) })} />
            <output>${region.weight.toFixed(1)}</output>
          </label>
          <button type="button" class="quiet" disabled=${!share} onClick=${onClear}>Clear</button>
        </div>`}
    </li>
  `;
}

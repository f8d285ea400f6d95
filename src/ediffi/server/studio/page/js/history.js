// What was drawn before, newest first; kept by the server.
import { classes, html } from "./lib.js";
import { isActive, pictures } from "./jobs.js";
import { IconButton } from "./icons.js";
import { Picture } from "./picture.js";

export function History({ jobs, shown, on }) {
  return html`
    <nav class="history" aria-label="History">
      <h2>History</h2>
      ${!jobs.length && html`<p class="hint">Pictures gather here.</p>`}
      <ol>
        ${jobs.map((job) => html`<${Entry} key=${job.id} job=${job} chosen=${job.id === shown} on=${on} />`)}
      </ol>
    </nav>
  `;
}

function Entry({ job, chosen, on }) {
  const all = pictures(job);
  const name = job.request.prompts?.[0] || "Variation";
  const told = { queued: "waiting", running: "drawing", failed: "failed", cancelled: "stopped" }[job.status];
  const few = all.filter((picture) => picture.src).slice(0, 4);
  return html`
    <li class=${classes("entry", chosen && "chosen")}>
      <button type="button" class="thumb ${few.length > 1 ? "several" : ""}" aria-current=${chosen ? "true" : undefined}
        aria-label=${`${name}, ${all.length > 1 ? `${all.length} pictures` : "one picture"}${told ? `, ${told}` : ""}`} title=${name} onClick=${() => on.show(job)}>
        ${few.map((picture, n) => html`<${Picture} key=${n} url=${picture.src} alt="" />`)}
        ${told && html`<span class="badge">${told}</span>`}
        ${!told && all.length === 1 && html`<span class="badge">${all[0].size}</span>`}
      </button>
      ${!isActive(job) && html`<${IconButton} name="trash" label=${`Delete ${name}`} onClick=${() => on.remove(job)} />`}
    </li>
  `;
}

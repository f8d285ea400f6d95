// The large square: pictures of a job on their way or done, or the canvas to paint on.
import { classes, html } from "./lib.js";
import { Icon, IconButton } from "./icons.js";
import { isActive, pictures } from "./jobs.js";
import { Compare, Picture } from "./picture.js";
import { Painter } from "./painter.js";
import { Toolbar, ToolOptions } from "./tools.js";
import { Words } from "./attention.js";

const EXAMPLES = [
  "a red fox next to a rocket, on a light blue background",
  "a snowman in front of a pine tree at night",
  "three strawberries and a cup of coffee",
];

export function Board({ studio, on }) {
  const { model, settings, masks, version, tools, setTools, view, compare } = studio;
  const job = studio.jobs.find((one) => one.id === view.id) || null;
  const all = job ? pictures(job) : [];
  const single = all.length === 1 ? all[0] : all[view.n];
  const shown = all.length === 1 || view.large ? single : null;
  const region = settings.regions.find((one) => one.id === settings.active && one.start !== null);
  const painting = view.mode === "paint";
  return html`
    <section class="board" aria-label="Picture">
      <div class="bar">
        <div class="segmented" role="group" aria-label="Show">
          <button type="button" aria-pressed=${String(!painting)} onClick=${() => on.mode("picture")}>Picture</button>
          <button type="button" aria-pressed=${String(painting)} onClick=${() => on.mode("paint")}>Paint</button>
        </div>
        ${painting
          ? html`<${Toolbar} tools=${tools} setTools=${setTools} masks=${masks} region=${region} under=${single?.src} />`
          : html`<${Actions} model=${model} job=${job} all=${all} view=${view} single=${single} compare=${compare} on=${on} />`}
      </div>
      <div class="square">
        ${painting
          ? html`<${Painter} masks=${masks} version=${version} settings=${settings} tools=${tools} setTools=${setTools} under=${single?.src} />`
          : compare?.second ? html`<${Compare} before=${compare.first} after=${compare.second} />`
          : !job ? html`<${Empty} on=${on} />`
          : shown ? html`<${Large} job=${job} picture=${shown} n=${all.length === 1 ? 0 : view.n} on=${on} />`
          : html`<${Grid} model=${model} job=${job} all=${all} view=${view} on=${on} />`}
      </div>
      ${painting
        ? html`<${ToolOptions} tools=${tools} setTools=${setTools} masks=${masks} region=${region} />`
        : job && html`<${Status} job=${job} single=${single} on=${on} />`}
    </section>
  `;
}

function Actions({ model, job, all, view, single, compare, on }) {
  if (compare) {
    return html`
      <span class="hint">${compare.second ? "" : "Choose a second picture below or in the history"}</span>
      <button type="button" class="soft end" onClick=${() => on.compare(null)}>Done</button>`;
  }
  if (!single?.done) return null;
  const top = model.stages.at(-1).resolution;
  return html`
    <span class="end row">
      ${all.length > 1 && html`<${IconButton} name=${view.large ? "grid" : "eye"}
        label=${view.large ? "All pictures of this job" : "Show this one large"} onClick=${() => on.enlarge(!view.large)} />`}
      <${IconButton} name="compare" label="Compare with another picture" onClick=${() => on.compare(single)} />
      <${IconButton} name="picture" label="Take its style for the next picture" onClick=${() => on.referTo(single)} />
      <${IconButton} name="reuse" label="Use the settings of this picture" onClick=${() => on.reuse(single)} />
      <${IconButton} name="download" label="Download" onClick=${() => on.download(single)} />
      ${single.size < top && html`
        <button type="button" class="primary" onClick=${() => on.upscale(single)}>
          <${Icon} name="upscale" />Upscale this one</button>`}
    </span>`;
}

function Grid({ model, job, all, view, on }) {
  const columns = Math.ceil(Math.sqrt(all.length));
  const style = (picture) => model.styles.find((one) => job.request.prompts?.length > 1 && picture.prompt.endsWith(one.phrase));
  return html`
    <div class="grid" style=${{ "--columns": columns }} role="group" aria-label=${`${all.length} pictures`}>
      ${all.map((picture, n) => html`
        <button type="button" key=${n} class=${classes("tile", n === view.n && "chosen")} aria-pressed=${String(n === view.n)}
          disabled=${!picture.done} aria-label=${`Picture ${n + 1}, ${style(picture)?.phrase || `seed ${picture.seed}`}`}
          onClick=${() => on.choose(n)} onDblClick=${() => on.enlarge(true)}>
          <${Picture} url=${picture.src} alt="" />
          ${style(picture) && html`<span class="caption">${style(picture).phrase}</span>`}
        </button>`)}
    </div>
  `;
}

const Large = ({ job, picture, n, on }) => html`
  <${Words} job=${job} n=${n} picture=${picture} onTake=${on.takePlace}>
    <${Picture} url=${picture.src} alt=${`${picture.prompt || "A picture"}${picture.done ? "" : ", on its way"}`} class="large" />
  <//>
`;

function Status({ job, single, on }) {
  const live = { ...job.progress, ...job.live };
  if (job.status === "failed") {
    return html`<div class="status error" role="alert"><p>${job.error || "This one failed."}</p></div>`;
  }
  if (!isActive(job)) {
    const told = job.status === "cancelled" ? "Stopped." : single?.done ? `${single.size} px, seed ${single.seed}` : "Pick one to go on with.";
    return html`
      <div class="status"><p class="hint">${[told, ...(job.notes || [])].join(". ")}</p></div>`;
  }
  const before = job.status === "queued" ? job.position - 1 : 0; // it counts itself
  const text = before > 0 ? `Waiting, ${before} before this one` : live.stage
    ? `${live.stage}, step ${live.step} of ${live.num_steps}${live.experts?.length ? `, expert ${live.experts.join(", ")}` : ""}`
    : "Starting…";
  return html`
    <div class="status">
      <progress max=${live.num_steps || 1} value=${live.stage ? live.step : undefined} aria-label="Progress of this stage"></progress>
      <p class="hint" role="status">${text}</p>
      <button type="button" class="stop" onClick=${() => on.stop(job)}><${Icon} name="stop" />Stop</button>
    </div>
  `;
}

const Empty = ({ on }) => html`
  <div class="empty">
    <h2>Say what is to be seen</h2>
    <p>Nine drafts take a moment. Pick one, and it is drawn large.</p>
    <ul>
      ${EXAMPLES.map((text) => html`<li key=${text}><button type="button" class="soft" onClick=${() => on.example(text)}>${text}</button></li>`)}
    </ul>
    <p class="hint">Drop a picture made here anywhere on the page to have its settings back.</p>
  </div>
`;

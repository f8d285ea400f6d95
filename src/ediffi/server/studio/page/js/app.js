// The page.
import { html } from "./lib.js";
import { actions } from "./actions.js";
import { keepKey } from "./api.js";
import { Board } from "./board.js";
import { Alert, KeyDialog } from "./dialogs.js";
import { History } from "./history.js";
import { Icon, IconButton } from "./icons.js";
import { isActive } from "./jobs.js";
import { Knobs } from "./knobs.js";
import { MapDialog } from "./maps.js";
import { Prompt } from "./prompt.js";
import { Regions } from "./regions.js";
import { NUM_DRAFTS } from "./settings.js";
import { References, Styles } from "./styles.js";
import { useStudio } from "./studio.js";
import { toggleTheme } from "./theme.js";
import { Vocabulary } from "./vocabulary.js";

export function App() {
  const studio = useStudio();
  const { settings, masks, model, message, setMessage, locked, unlock, map, setMap } = studio;
  const on = actions(studio);
  return html`
    <div class="page" onDrop=${on.drop} onDragOver=${(event) => event.preventDefault()}
      onKeyDown=${(event) => undoKeys(event, studio)}>
      <header>
        <img src="/studio/icon.svg" alt="" width="28" height="28" />
        <h1>ediffi studio</h1>
        <span class="hint">${model ? model.model : ""}</span>
        <span class="end"><${IconButton} name="theme" label="Light or dark" onClick=${toggleTheme} /></span>
      </header>
      ${message && html`<${Alert} text=${message} onClose=${() => setMessage(null)} />`}
      ${locked && html`<${KeyDialog} onKey=${(key) => { keepKey(key); unlock(); }} />`}
      ${map && html`<${MapDialog} picture=${map} settings=${settings} onDone=${on.useMap}
        onClose=${(why) => { setMap(null); if (why) setMessage(why); }} />`}
      ${model && html`
        <main>
          <${Compose} studio=${studio} on=${on} />
          <${Go} studio=${studio} on=${on} />
          <${Board} studio=${studio} on=${on} />
          <${History} jobs=${studio.jobs} shown=${studio.view.id} on=${on} />
        </main>`}
    </div>
  `;
}

const Compose = ({ studio: { settings, set, model, masks, shares, gallery, setMap }, on }) => html`
  <div class="compose">
    <${Prompt} settings=${settings} set=${set} onSubmit=${on.draft} onRegion=${on.paint}>
      <${Vocabulary} model=${model} settings=${settings} set=${set} />
    <//>
    <${Regions} settings=${settings} set=${set} masks=${masks} shares=${shares} onMap=${setMap} on=${on} />
    <${Styles} model=${model} gallery=${gallery} settings=${settings} set=${set} onEvery=${on.everyStyle} />
    <${References} model=${model} settings=${settings} set=${set} onFiles=${on.refer} />
    <${Knobs} model=${model} settings=${settings} set=${set} />
  </div>
`;

function Go({ studio: { model, jobs, view }, on }) {
  const elsewhere = jobs.find((job) => isActive(job) && job.id !== view.id);
  return html`
    <div class="go">
      <button type="button" class="primary big" onClick=${on.draft} title="Ctrl+Enter">Draft ${NUM_DRAFTS}</button>
      <button type="button" class="soft big" onClick=${on.draw}>Draw at ${model.stages.at(-1).resolution}</button>
      ${elsewhere && html`
        <button type="button" class="stop" onClick=${() => on.stop(elsewhere)}><${Icon} name="stop" />Stop</button>`}
    </div>
  `;
}

function undoKeys(event, { view, masks }) {
  const typing = event.target.matches("input, textarea, select");
  if (view.mode !== "paint" || typing || !(event.ctrlKey || event.metaKey)) return;
  const key = event.key.toLowerCase();
  if (key === "z" && !event.shiftKey) masks.undo();
  if (key === "y" || (key === "z" && event.shiftKey)) masks.redo();
}

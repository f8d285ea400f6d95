// The page: what is set, what is shown, and what happens between them.
import { html, randomSeed, useCallback, useEffect, useMemo, useRef, useState } from "./lib.js";
import { blob, call, keepKey } from "./api.js";
import { Board } from "./board.js";
import { galleryJob, readAll, References, stylePrompts, Styles } from "./styles.js";
import { found } from "./phrases.js";
import { History } from "./history.js";
import { Icon, IconButton } from "./icons.js";
import { isActive, pictures, useJobs } from "./jobs.js";
import { Knobs } from "./knobs.js";
import { MapDialog } from "./maps.js";
import { Prompt } from "./prompt.js";
import { Regions } from "./regions.js";
import { restored, toDataUri, toldBy } from "./restore.js";
import { changed, continued, fresh, NUM_DRAFTS, request, withoutRegion, withPhrase, withRegion } from "./settings.js";
import { Masks } from "./masks.js";
import { toggleTheme } from "./theme.js";
import { TOOLS } from "./tools.js";
import { Alert, KeyDialog } from "./dialogs.js";

export function App() {
  const [settings, setSettings] = useState(fresh);
  const [version, setVersion] = useState(0);
  const [model, setModel] = useState(null);
  const [gallery, setGallery] = useState(null);
  const [view, setView] = useState({ id: null, n: null, mode: "picture", large: false });
  const [tools, setToolState] = useState(TOOLS);
  const [compare, setCompare] = useState(null);
  const [message, setMessage] = useState(null);
  const [locked, setLocked] = useState(false);
  const [map, setMap] = useState(null);
  const masks = useMemo(() => new Masks(() => setVersion((n) => n + 1)), []);
  const shares = useMemo(() => masks.shares(), [version, settings.regions.length]);

  const set = useCallback((fields) => setSettings((now) => changed(now, fields)), []);
  const setTools = useCallback((fields) => setToolState((now) => ({ ...now, ...fields })), []);
  const look = useCallback((fields) => setView((now) => ({ ...now, ...fields })), []);
  const tell = useCallback(async (work) => {
    try {
      setMessage(null);
      return await work();
    } catch (error) {
      if (error.status === 401) setLocked(true);
      else setMessage(error.message);
      return null;
    }
  }, []);
  const { jobs, load, submit, stop, remove } = useJobs(tell);

  const open = useCallback(() => tell(async () => {
    const about = await call("/v1/model");
    setModel(about);
    setLocked(false);
    const known = await load();
    const [asked, headers] = galleryJob(about);
    if (known.some(isActive)) look({ id: known.find(isActive).id });
    if (about.styles.length) setGallery(await call("/v1/jobs", { json: asked, headers }));
  }), []);
  useEffect(() => { open(); }, []);
  useGallery(gallery, setGallery);
  for (const region of settings.regions) masks.layer(region.id, region.colour);

  const job = jobs.find((one) => one.id === view.id) || null;
  const running = jobs.find(isActive);
  const start = (asked, previews) => tell(async () => {
    const made = await submit(asked, previews);
    setCompare(null);
    look({ id: made.id, n: null, large: false, mode: "picture" });
  });
  const draw = (extra) => {
    if (!settings.prompt.trim()) return setMessage("Write what is to be seen first.");
    const seed = settings.locked ? settings.seed : randomSeed();
    set({ seed });
    return start(request({ ...settings, seed }, model, masks, extra));
  };
  const drafts = () => draw({ num_images: NUM_DRAFTS, stop_at: model.stages[0].resolution });
  const everyStyle = () => {
    const prompts = stylePrompts(settings.prompt, model.styles);
    draw({ prompts, seeds: prompts.map(() => settings.seed), stop_at: model.stages[0].resolution });
  };
  const paint = (next) => {
    setSettings(next);
    look({ mode: "paint" });
    setCompare(null);
  };

  const on = {
    mode: (mode) => look({ mode }),
    view: look,
    example: (prompt) => set({ prompt }),
    stop: (one) => stop(one.id),
    choose: (n) => {
      look({ n });
      if (compare) setCompare({ ...compare, second: labelled(pictures(job)[n]) });
    },
    compare: (picture) => setCompare(picture && { first: labelled(picture), second: null }),
    upscale: (picture) => tell(async () => {
      const file = await blob(picture.src);
      const [told, uri] = await Promise.all([toldBy(file), toDataUri(file)]);
      await start(continued(told, uri, picture.size, settings, model), [picture.src]);
    }),
    refer: (picture) => tell(async () => set({ references: [...settings.references, ...(await readAll([await blob(picture.src)]))] })),
    reuse: (picture) => tell(async () => restore(await blob(picture.src))),
    download: (picture) => tell(async () => save(await blob(picture.src), picture)),
    take: (picture, phrase, mask) => {
      const span = found(settings.prompt, phrase.word);
      if (!span) return setMessage(`“${phrase.word}” is not in the prompt.`);
      const next = withRegion({ ...settings, seed: picture.seed, locked: true }, span);
      const { id, colour } = next.regions.find((region) => region.id === next.active);
      masks.layer(id, colour);
      masks.set(id, mask());
      return paint(next);
    },
  };

  async function restore(file) {
    const back = await restored(file, model, masks);
    setSettings(back);
    look({ mode: "picture" });
  }

  const dropped = (event) => {
    event.preventDefault();
    const files = [...(event.dataTransfer?.files || [])];
    if (!files.length || !model) return;
    tell(async () => {
      try {
        await restore(files[0]);
      } catch (error) {
        if (!(error.status >= 400 && error.status < 500)) throw error;
        set({ references: [...settings.references, ...(await readAll(files))] });
        setMessage("That picture does not say how it was made, so it is taken as a style.");
      }
    });
  };
  const useMap = (named) => {
    let next = settings;
    for (const { start: from, end, alpha } of named) {
      next = withRegion(next, { start: from, end });
      const { id, colour } = next.regions.find((region) => region.id === next.active);
      masks.layer(id, colour);
      masks.set(id, alpha);
    }
    setMap(null);
    paint(next);
  };
  const keys = (event) => {
    const typing = event.target.matches("input, textarea, select");
    if (view.mode !== "paint" || typing || !(event.ctrlKey || event.metaKey)) return;
    if (event.key.toLowerCase() === "z") event.shiftKey ? masks.redo() : masks.undo();
    if (event.key.toLowerCase() === "y") masks.redo();
  };

  const top = model?.stages.at(-1).resolution;
  return html`
    <div class="page" onDrop=${dropped} onDragOver=${(event) => event.preventDefault()} onKeyDown=${keys}>
      <header>
        <img src="/studio/icon.svg" alt="" width="28" height="28" />
        <h1>ediffi studio</h1>
        <span class="hint">${model ? model.model : ""}</span>
        <span class="end"><${IconButton} name="theme" label="Light or dark" onClick=${toggleTheme} /></span>
      </header>
      ${message && html`<${Alert} text=${message} onClose=${() => setMessage(null)} />`}
      ${locked && html`<${KeyDialog} onKey=${(key) => { keepKey(key); open(); }} />`}
      ${map && html`<${MapDialog} picture=${map} settings=${settings} onDone=${useMap}
        onClose=${(why) => { setMap(null); if (why) setMessage(why); }} />`}
      ${model && html`
        <main>
          <div class="compose">
            <${Prompt} settings=${settings} set=${set} onSubmit=${drafts} onRegion=${(span) => paint(withRegion(settings, span))} />
            <${Regions} settings=${settings} set=${set} masks=${masks} shares=${shares} onMap=${setMap}
              onChoose=${(id) => { set({ active: id }); look({ mode: "paint" }); }}
              onPhrase=${(id, text) => setSettings(withPhrase(settings, id, text))}
              onRemove=${(id) => { masks.remove(id); setSettings(withoutRegion(settings, id)); }} />
            <${Styles} model=${model} gallery=${gallery} settings=${settings} set=${set} onEvery=${everyStyle} />
            <${References} model=${model} settings=${settings} set=${set} tell=${tell} />
            <${Knobs} model=${model} settings=${settings} set=${set} />
          </div>
          <div class="go">
            <button type="button" class="primary big" onClick=${drafts} title="Ctrl+Enter">Draft ${NUM_DRAFTS}</button>
            <button type="button" class="soft big" onClick=${() => draw({})}>Draw at ${top}</button>
            ${running && running.id !== view.id && html`
              <button type="button" class="stop" onClick=${() => stop(running.id)}><${Icon} name="stop" />Stop</button>`}
          </div>
          <${Board} model=${model} settings=${settings} masks=${masks} version=${version} tools=${tools} setTools=${setTools}
            view=${view} job=${job} compare=${compare} on=${on} />
          <${History} jobs=${jobs.filter((one) => one.id !== gallery?.id)} view=${view} onRemove=${remove}
            onView=${(one) => {
              const [first] = pictures(one);
              if (compare && first.done) setCompare({ ...compare, second: labelled(first) });
              look({ id: one.id, n: null, large: false, mode: "picture" });
            }} />
        </main>`}
    </div>
  `;
}

/** The gallery's job until it is done. */
function useGallery(gallery, setGallery) {
  const timer = useRef(0);
  useEffect(() => {
    if (!gallery || !isActive(gallery)) return undefined;
    timer.current = setTimeout(() => call(`/v1/jobs/${gallery.id}`).then(setGallery, () => {}), 500);
    return () => clearTimeout(timer.current);
  }, [gallery]);
}

const labelled = (picture) => ({ src: picture.src, label: `${picture.size} px, seed ${picture.seed}` });

function save(data, picture) {
  const words = (picture.prompt.toLowerCase().match(/[\p{L}\p{N}]+/gu) || ["picture"]).join("-").slice(0, 40);
  const link = document.createElement("a");
  link.href = URL.createObjectURL(data);
  link.download = `${words}-${picture.seed}.png`;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}

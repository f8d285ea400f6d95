// What a person can do: from a press of a button to requests of the server and changes of the page.
import { randomSeed } from "./lib.js";
import { blob } from "./api.js";
import { found } from "./phrases.js";
import { pictures } from "./jobs.js";
import { restored, toDataUri, toldBy } from "./restore.js";
import { continued, NUM_DRAFTS, request, withoutRegion, withPhrase, withRegion } from "./settings.js";
import { readAll, stylePrompts } from "./styles.js";

/** studio: see `useStudio`. */
export const actions = (studio) => ({ ...drawing(studio), ...painting(studio), ...looking(studio), ...files(studio) });

function drawing({ settings, set, model, masks, tell, queue, look, setCompare, setMessage }) {
  const start = (asked, previews) => tell(async () => {
    const job = await queue.submit(asked, previews);
    if (!job) return;
    setCompare(null);
    look({ id: job.id, n: null, large: false, mode: "picture" });
  });
  const draw = (extra) => {
    if (!settings.prompt.trim()) return setMessage("Write what is to be seen first.");
    const seed = settings.locked ? settings.seed : randomSeed();
    set({ seed });
    return start(request({ ...settings, seed }, model, masks, extra(seed)));
  };
  const first = model?.stages[0].resolution;
  return {
    draw: () => draw(() => ({})),
    draft: () => draw(() => ({ num_images: NUM_DRAFTS, stop_at: first })),
    everyStyle: () => {
      const prompts = stylePrompts(settings.prompt, model.styles);
      return draw((seed) => ({ prompts, seeds: prompts.map(() => seed), stop_at: first }));
    },
    upscale: (picture) => tell(async () => {
      const file = await blob(picture.src);
      const [told, uri] = await Promise.all([toldBy(file), toDataUri(file)]);
      await start(continued(told, uri, picture.size, settings, model), [picture.src]);
    }),
    stop: (job) => queue.stop(job.id),
  };
}

function painting({ settings, setSettings, set, masks, look, setCompare, setMap, setMessage }) {
  const paint = (next) => {
    setSettings(next);
    setCompare(null);
    look({ mode: "paint" });
  };
  const give = (next, alpha) => {
    const { id, colour } = next.regions.find((region) => region.id === next.active);
    masks.layer(id, colour);
    masks.set(id, alpha);
  };
  return {
    paint: (span) => paint(withRegion(settings, span)),
    choosePhrase: (id) => {
      set({ active: id });
      look({ mode: "paint" });
    },
    retype: (id, text) => setSettings(withPhrase(settings, id, text)),
    takeAway: (id) => {
      masks.remove(id);
      setSettings(withoutRegion(settings, id));
    },
    useMap: (named) => {
      let next = settings;
      for (const { start, end, alpha } of named) {
        next = withRegion(next, { start, end });
        give(next, alpha);
      }
      setMap(null);
      paint(next);
    },
    takePlace: (picture, word, mask) => {
      const span = found(settings.prompt, word);
      if (!span) return setMessage(`“${word}” is not in the prompt.`);
      const next = withRegion({ ...settings, seed: picture.seed, locked: true }, span);
      give(next, mask());
      return paint(next);
    },
  };
}

function looking({ jobs, view, look, compare, setCompare, queue }) {
  const second = (picture) => {
    if (compare && picture.done) setCompare({ ...compare, second: labelled(picture) });
  };
  return {
    mode: (mode) => look({ mode }),
    enlarge: (large) => look({ large }),
    choose: (n) => {
      look({ n });
      second(pictures(jobs.find((job) => job.id === view.id))[n]);
    },
    compare: (picture) => setCompare(picture && { first: labelled(picture), second: null }),
    show: (job) => {
      const [first, ...more] = pictures(job);
      if (!more.length) second(first);
      else if (compare) setCompare({ ...compare, second: null }); // one of them is to be chosen
      look({ id: job.id, n: null, large: false, mode: "picture" });
    },
    remove: (job) => {
      const several = pictures(job).length > 1;
      if (confirm(`Delete ${several ? "these pictures" : "this picture"} from the history and from disk?`)) queue.remove(job.id);
    },
  };
}

function files({ settings, setSettings, set, model, masks, tell, look, setMessage }) {
  const restore = async (file) => {
    setSettings(await restored(file, model, masks));
    look({ mode: "picture" });
  };
  const refer = async (pieces) => set({ references: [...settings.references, ...(await readAll(pieces))] });
  return {
    example: (prompt) => set({ prompt }),
    refer: (pieces) => tell(() => refer(pieces)),
    referTo: (picture) => tell(async () => refer([await blob(picture.src)])),
    reuse: (picture) => tell(async () => restore(await blob(picture.src))),
    download: (picture) => tell(async () => save(await blob(picture.src), picture)),
    drop: (event) => {
      event.preventDefault();
      const dropped = [...(event.dataTransfer?.files || [])];
      if (!dropped.length || !model) return;
      tell(async () => {
        try {
          await restore(dropped[0]);
        } catch (error) {
          if (error.status !== 400) throw error;
          await refer(dropped);
          setMessage("That picture does not say how it was made, so it is taken as a style.");
        }
      });
    },
  };
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

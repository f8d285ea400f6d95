// The state of the page: what is set, what is shown, and what the server has told.
import { useCallback, useEffect, useMemo, useState } from "./lib.js";
import { call } from "./api.js";
import { isActive, useJobs } from "./jobs.js";
import { Masks } from "./masks.js";
import { changed, fresh } from "./settings.js";
import { galleryJob } from "./styles.js";
import { TOOLS } from "./tools.js";

const GALLERY_MS = 500;

export function useStudio() {
  const [settings, setSettings] = useState(fresh);
  const [version, setVersion] = useState(0); // of what is painted
  const [view, setView] = useState({ id: null, n: null, mode: "picture", large: false });
  const [tools, setToolState] = useState(TOOLS);
  const [compare, setCompare] = useState(null); // {first, second} pictures, second null at first
  const [map, setMap] = useState(null); // a file whose colours are to be named
  const [message, setMessage] = useState(null);
  const [locked, setLocked] = useState(false); // a key is wanted
  const masks = useMemo(() => new Masks(() => setVersion((n) => n + 1)), []);
  for (const region of settings.regions) masks.layer(region.id, region.colour);
  const shares = useMemo(() => masks.shares(), [version, settings.regions.length]);

  const set = useCallback((fields) => setSettings((now) => changed(now, fields)), []);
  const setTools = useCallback((fields) => setToolState((now) => ({ ...now, ...fields })), []);
  const look = useCallback((fields) => setView((now) => ({ ...now, ...fields })), []);

  /** Do some work; what goes wrong is shown. */
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
  const { jobs, ...queue } = useJobs(tell);
  const { model, gallery, open } = useServer(tell, queue.load, look);
  const unlock = () => {
    setLocked(false);
    open();
  };
  return {
    settings, setSettings, set, masks, version, shares, view, look, tools, setTools, compare, setCompare,
    map, setMap, message, setMessage, locked, unlock, tell, model, gallery, queue,
    jobs: jobs.filter((job) => job.id !== gallery?.id),
  };
}

/** The model, the gallery of its styles, and the history, with what is on its way shown. */
function useServer(tell, load, look) {
  const [model, setModel] = useState(null);
  const [gallery, setGallery] = useState(null);
  const open = useCallback(() => tell(async () => {
    const about = await call("/v1/model");
    const drawn = about.styles.length ? await call("/v1/jobs", galleryJob(about)) : null;
    const known = await load();
    const running = known.find((job) => isActive(job) && job.id !== drawn?.id);
    if (running) look({ id: running.id });
    setGallery(drawn);
    setModel(about);
  }), []);
  useEffect(() => { open(); }, []);
  useEffect(() => {
    if (!gallery || !isActive(gallery)) return undefined;
    const timer = setTimeout(() => call(`/v1/jobs/${gallery.id}`).then(setGallery, () => {}), GALLERY_MS);
    return () => clearTimeout(timer);
  }, [gallery]);
  return { model, gallery, open };
}

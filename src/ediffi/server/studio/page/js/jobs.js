// Jobs of the server as the page knows them: the history, and what is on its way.
import { useCallback, useEffect, useRef, useState } from "./lib.js";
import { ApiError, call, events } from "./api.js";

const HISTORY = 50;
const RECONNECT_MS = 1500;

export const isActive = (job) => job.status === "queued" || job.status === "running";

/** {jobs, submit, stop, remove}. jobs: newest first, those on their way with `live`: stage, step,
 * num_steps, experts and previews as the server last told them. */
export function useJobs(tell) {
  const [jobs, setJobs] = useState([]);
  const watched = useRef(new Map());
  const sending = useRef(false);

  const put = useCallback((job) => setJobs((all) => {
    const known = all.find((one) => one.id === job.id);
    return known ? all.map((one) => (one === known ? { ...one, ...job } : one)) : [job, ...all];
  }), []);

  const watch = useCallback(async (id) => {
    if (watched.current.has(id)) return;
    const stopped = new AbortController();
    watched.current.set(id, stopped);
    while (!stopped.signal.aborted) {
      try {
        for await (const [name, data] of events(`/v1/jobs/${id}/events`, stopped.signal)) {
          setJobs((all) => all.map((job) => (job.id === id ? heard(job, name, data) : job)));
        }
        const job = await call(`/v1/jobs/${id}`);
        put(job);
        if (!isActive(job)) break;
      } catch (error) {
        if (error.name === "AbortError" || (error instanceof ApiError && error.status)) break;
        await new Promise((resolve) => setTimeout(resolve, RECONNECT_MS)); // the server restarts
      }
    }
    watched.current.delete(id);
  }, []);

  const load = useCallback(async () => {
    const told = await call(`/v1/jobs?limit=${HISTORY}`);
    setJobs(told.jobs);
    told.jobs.filter(isActive).forEach((job) => watch(job.id));
    return told.jobs;
  }, []);

  // The job of a request, or null while another is being sent: a double click asks once.
  // previews: what is shown until the server sends some.
  const submit = useCallback(async (request, previews = []) => {
    if (sending.current) return null;
    sending.current = true;
    try {
      const job = await call("/v1/jobs", { json: request });
      put({ ...job, live: { previews } });
      if (isActive(job)) watch(job.id);
      return job;
    } finally {
      sending.current = false;
    }
  }, []);

  const stop = useCallback((id) => tell(async () => put(await call(`/v1/jobs/${id}`, { method: "DELETE" }))), []);

  const remove = useCallback((id) => tell(async () => {
    await call(`/v1/jobs/${id}`, { method: "DELETE" });
    setJobs((all) => all.filter((job) => job.id !== id));
  }), []);

  useEffect(() => () => watched.current.forEach((stopped) => stopped.abort()), []);
  return { jobs, load, submit, stop, remove };
}

/** A job after one event of its stream. */
function heard(job, name, data) {
  const live = job.live || {};
  switch (name) {
    case "queued":
      return { ...job, status: "queued", position: data.position };
    case "progress":
      return { ...job, status: "running", live: { ...live, ...data, previews: merged(live.previews, data.previews) } };
    case "stage":
      return { ...job, status: "running", live: { ...live, previews: data.images } };
    case "done":
      return { ...job, status: "done", images: data.images };
    case "failed":
      return { ...job, status: "failed", error: data.message };
    case "cancelled":
      return { ...job, status: "cancelled" };
    default:
      return job;
  }
}

const merged = (before = [], after) => (after ? after.map((one, n) => one ?? before[n]) : before);

/** What of a job can be looked at: [{src, done, seed, prompt}], one for every picture. */
export function pictures(job) {
  const { prompts, num_images: num = 1 } = job.request;
  const total = job.images?.length || (prompts?.length || 1) * num;
  return Array.from({ length: total }, (_, n) => {
    const image = job.images?.[n];
    return {
      src: image?.url ?? job.live?.previews?.[n] ?? null,
      done: Boolean(image),
      size: image?.width,
      seed: image?.seed ?? (job.request.seeds?.[n] ?? (job.request.seeds?.[0] ?? 0) + n),
      prompt: image?.prompt ?? prompts?.[Math.floor(n / num)] ?? "",
    };
  });
}

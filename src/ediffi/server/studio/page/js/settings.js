// What the person has set: one plain value, its changes, and the request that it means.
import { codePoints, codeUnits, follow, found } from "./phrases.js";
import { newId, randomSeed } from "./lib.js";

export const COLOURS = [
  "#e5484d", "#3e63dd", "#30a46c", "#d9840b", "#8e4ec6", "#0b93a3", "#d6409f", "#8d6e3f",
];
export const NUM_DRAFTS = 9;
export const QUALITIES = {
  fast: { label: "Fast", factor: 0.5, says: "half the steps" },
  balanced: { label: "Balanced", factor: 1, says: "the model's own steps" },
  best: { label: "Best", factor: 2, says: "twice the steps" },
};

export const fresh = () => ({
  prompt: "",
  regions: [], // {id, text, start, end, colour, weight}; start null: not in the prompt
  active: null,
  paintWeight: null, // w' of all regions, null for the server's own
  seed: randomSeed(),
  locked: false,
  quality: "balanced",
  steps: {}, // of stages that were set by hand, by name; guidance alike
  guidance: {},
  sampler: "",
  tile: null,
  roles: null,
  looks: true,
  anyway: false, // whether prompts are drawn in which nothing is known
  precise: false,
  references: [], // {id, uri}
  strength: 1,
  styleStages: null,
});

/** The settings after a change of some fields; regions follow the prompt. */
export function changed(settings, fields) {
  if (fields.prompt !== undefined && !fields.regions) {
    fields = { ...fields, regions: follow(settings.regions, settings.prompt, fields.prompt) };
  }
  return { ...settings, ...fields };
}

/** A region of a span of the prompt, made active; one that has these words already is activated. */
export function withRegion(settings, span) {
  const known = settings.regions.find((r) => r.start !== null && r.start < span.end && span.start < r.end);
  if (known) return { ...settings, active: known.id };
  const used = new Set(settings.regions.map((r) => r.colour));
  const colour = COLOURS.find((c) => !used.has(c)) || COLOURS[settings.regions.length % COLOURS.length];
  const text = settings.prompt.slice(span.start, span.end);
  const region = { id: newId(), text, ...span, colour, weight: 1 };
  return { ...settings, regions: [...settings.regions, region], active: region.id };
}

export function withoutRegion(settings, id) {
  const regions = settings.regions.filter((region) => region.id !== id);
  return { ...settings, regions, active: regions.at(-1)?.id ?? null };
}

export function withPhrase(settings, id, text) {
  const region = settings.regions.find((one) => one.id === id);
  const { prompt } = settings;
  if (region.start === null) {
    const joined = prompt.trim() ? `${prompt.trimEnd()} ${text}` : text;
    const regions = settings.regions.map((one) => (one.id === id ? { ...one, text } : one));
    return changed({ ...settings, regions }, { prompt: joined });
  }
  const after = prompt.slice(0, region.start) + text + prompt.slice(region.end);
  const grown = text.length - (region.end - region.start);
  const regions = settings.regions.map((one) => {
    if (one.id === id) return { ...one, text, end: region.start + text.length };
    return one.start !== null && one.start >= region.end
      ? { ...one, start: one.start + grown, end: one.end + grown } : one;
  });
  return { ...settings, prompt: after, regions };
}

/** What a job is asked for. masks: see `Masks`; extra: fields of this job alone. */
export function request(settings, model, masks, extra = {}) {
  const out = { prompts: [settings.prompt], seeds: [settings.seed], looks: settings.looks, anyway: settings.anyway, ...extra };
  const running = stagesUpTo(model, out.stop_at);
  Object.assign(out, perStage(settings, running));
  if (settings.sampler) out.sampler = settings.sampler;
  if (settings.tile) out.tile = settings.tile;
  if (settings.roles) out.use = settings.roles;
  if (settings.precise) out.dtype = "fp32";
  if (settings.references.length) {
    out.style = { pictures: settings.references.map((one) => one.uri) };
    if (settings.strength !== 1) out.style_strength = settings.strength;
    const named = settings.styleStages?.filter((name) => running.some((s) => s.name === name));
    if (named) out.style_stages = named;
  }
  const regions = paintedRegions(settings, masks);
  if (regions.length) out.regions = { regions, ...weightOf(settings) };
  return out;
}

/** The request that draws on from a picture, whose own request is `told`, by today's steps. */
export function continued(told, uri, size, settings, model) {
  const { num_images: _n, stop_at: _s, num_steps: _t, guidance_scale: _g, ...kept } = told;
  const above = model.stages.filter((s) => s.input_resolution < s.resolution && s.input_resolution >= size);
  return { ...kept, start_from: uri, ...perStage(settings, above) };
}

// Steps and guidance of the stages that run, where they are not the model's own.
function perStage(settings, running) {
  const out = {};
  if (settings.quality !== "balanced" || Object.keys(settings.steps).length) {
    out.num_steps = running.map((stage) => stepsOf(settings, stage));
  }
  if (Object.keys(settings.guidance).length) {
    out.guidance_scale = running.map((s) => settings.guidance[s.name] ?? s.defaults.guidance_scale);
  }
  return out;
}

export const stepsOf = (settings, stage) =>
  settings.steps[stage.name] ??
  Math.max(1, Math.round(stage.defaults.num_steps * QUALITIES[settings.quality].factor));

/** Settings that a request, as the server tells it, stands for; its masks as {id: data URI}. */
export function settingsOf(told, model) {
  const settings = { ...fresh(), prompt: told.prompts?.[0] ?? "", seed: told.seeds?.[0] ?? 0, locked: true };
  const all = stagesUpTo(model, told.stop_at);
  const named = (values = []) => {
    const running = values?.length > 1 ? all.slice(-values.length) : all; // one is the first stage's
    return Object.fromEntries((values ?? []).map((value, i) => [running[i].name, value]));
  };
  Object.assign(settings, {
    steps: named(told.num_steps),
    guidance: named(told.guidance_scale),
    sampler: told.sampler ?? "",
    tile: told.tile ?? null,
    roles: told.use ?? null,
    looks: told.looks ?? true,
    anyway: told.anyway ?? false,
    precise: told.dtype === "fp32",
    strength: told.style_strength ?? 1,
    styleStages: told.style_stages ?? null,
  });
  const style = [told.style].flat()[0];
  const pictures = typeof style === "string" ? [style] : style?.pictures ?? [];
  settings.references = pictures.filter(isPicture).map((uri) => ({ id: newId(), uri }));
  const painting = [told.regions].flat()[0];
  settings.paintWeight = painting?.weight ?? null;
  const places = {};
  for (const one of painting?.regions ?? []) {
    const { prompt } = settings;
    const span = one.span
      ? { start: codeUnits(prompt, one.span[0]), end: codeUnits(prompt, one.span[1]) }
      : found(prompt, one.phrase);
    if (!span) continue;
    Object.assign(settings, withRegion(settings, span));
    const region = settings.regions.at(-1);
    region.weight = one.weight ?? 1;
    places[region.id] = { mask: one.mask, box: one.box };
  }
  return { settings, places };
}

const isPicture = (uri) => typeof uri === "string" && uri.startsWith("data:image/");

function stagesUpTo(model, resolution) {
  const last = model.stages.findIndex((stage) => stage.resolution === resolution);
  return last < 0 ? model.stages : model.stages.slice(0, last + 1);
}

function paintedRegions(settings, masks) {
  const shares = masks.shares();
  return settings.regions
    .filter((region) => region.start !== null && shares.get(region.id) > 0)
    .map(({ id, start, end, weight }) => ({
      span: [codePoints(settings.prompt, start), codePoints(settings.prompt, end)],
      mask: masks.uri(id),
      weight,
    }));
}

const weightOf = ({ paintWeight }) => (paintWeight === null ? {} : { weight: paintWeight });

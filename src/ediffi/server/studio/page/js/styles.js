// The model's styles as a gallery, and pictures to take a style from.
import { html, newId, useRef, useState } from "./lib.js";
import { withStyle } from "./phrases.js";
import { Picture } from "./picture.js";
import { Icon, IconButton } from "./icons.js";

const SUBJECT = "a red fox on a light blue background"; // in every style, for the gallery
const REFERENCE_SIDE = 384; // encoders read less

export const stylePrompts = (prompt, styles) => styles.map((style) => withStyle(prompt, style.phrase, allPhrases(styles)));

export const allPhrases = (styles) => styles.flatMap((style) => style.phrases);

/** The job that draws the gallery, kept by the server under one key. */
export function galleryJob(model) {
  const prompts = stylePrompts(SUBJECT, model.styles);
  const request = { prompts, seeds: prompts.map(() => 7), stop_at: model.stages[0].resolution };
  return { json: request, headers: { "Idempotency-Key": `studio-styles-${model.hash}` } };
}

export function Styles({ model, gallery, settings, set, onEvery }) {
  if (!model.styles.length) return null;
  const phrases = allPhrases(model.styles);
  const said = settings.prompt.toLowerCase();
  const chosen = model.styles.find((style) => style.phrases.some((phrase) => said.includes(phrase)));
  const choose = (style) => set({ prompt: withStyle(settings.prompt, style && style.phrase, phrases) });
  return html`
    <section class="card" aria-labelledby="styles-title">
      <div class="row">
        <h2 id="styles-title">Style</h2>
        <button type="button" class="quiet end" disabled=${!settings.prompt.trim()} onClick=${onEvery}>
          <${Icon} name="grid" />This prompt in every style
        </button>
      </div>
      <div class="styles" role="group" aria-label="Styles of the model">
        <button type="button" class="style" aria-pressed=${String(!chosen)} onClick=${() => choose(null)}>
          <span class="any" aria-hidden="true"><${Icon} name="dice" /></span><span>Any</span>
        </button>
        ${model.styles.map((style, n) => html`
          <button type="button" key=${style.name} class="style" aria-pressed=${String(style === chosen)} onClick=${() => choose(style)}>
            <${Picture} url=${gallery?.images?.[n]?.url} alt="" /><span>${plain(style.phrase)}</span>
          </button>`)}
      </div>
    </section>
  `;
}

/** A style's phrase as a short label: "in flat fluent style" is "flat fluent". */
export const plain = (phrase) => phrase.replace(/^(in|as)( an?)? /, "").replace(/ style$/, "");

export function References({ model, settings, set, onFiles }) {
  const file = useRef(null);
  const [over, setOver] = useState(false);
  const { references, strength, styleStages } = settings;
  const drop = (event) => {
    event.preventDefault();
    event.stopPropagation();
    setOver(false);
    onFiles(event.dataTransfer.files);
  };
  const stages = model.stages.map((stage) => stage.name);
  const followed = styleStages ?? stages;
  const toggle = (name) => {
    const left = stages.filter((one) => (one === name ? !followed.includes(one) : followed.includes(one)));
    if (left.length) set({ styleStages: left.length === stages.length ? null : left });
  };
  return html`
    <section class="card" aria-labelledby="references-title">
      <h2 id="references-title">Style from a picture</h2>
      <div class="row wrap">
        ${references.map((one) => html`
          <span key=${one.id} class="reference">
            <img src=${one.uri} alt="A style reference" />
            <${IconButton} name="close" label="Take this picture away"
              onClick=${() => set({ references: references.filter((other) => other !== one) })} />
          </span>`)}
        <button type="button" class="drop ${over ? "over" : ""} ${references.length ? "small" : ""}" onClick=${() => file.current.click()}
          aria-label="Add a style reference" onDrop=${drop} onDragOver=${(event) => { event.preventDefault(); setOver(true); }}
          onDragLeave=${() => setOver(false)}>
          <${Icon} name="picture" />${references.length ? "" : "Drop a picture here, or choose one"}
        </button>
        <input ref=${file} type="file" accept="image/*" multiple hidden aria-label="Style reference"
          onChange=${(event) => { onFiles([...event.target.files]); event.target.value = ""; }} />
      </div>
      ${references.length > 0 && html`
        <label class="slider">Strength
          <input type="range" min="0" max="2" step="0.05" value=${strength}
            onInput=${(event) => set({ strength: Number(event.target.value) })} />
          <output>${strength.toFixed(2)}</output>
        </label>
        <div class="row wrap" role="group" aria-label="Stages that follow it">
          <span class="hint">Followed by</span>
          ${stages.map((name) => html`
            <label key=${name} class="check">
              <input type="checkbox" checked=${followed.includes(name)} onChange=${() => toggle(name)} />${name}
            </label>`)}
        </div>`}
    </section>
  `;
}

/** Files as references: data URIs, made smaller so that requests stay small. */
export const readAll = (files) => Promise.all([...files].map(async (file) => {
  const image = await createImageBitmap(file).catch(() => {
    throw new Error(`${file.name} is not a picture that this browser can read.`);
  });
  const scale = Math.min(1, REFERENCE_SIDE / Math.max(image.width, image.height));
  const canvas = document.createElement("canvas");
  canvas.width = Math.max(8, Math.round(image.width * scale));
  canvas.height = Math.max(8, Math.round(image.height * scale));
  canvas.getContext("2d").drawImage(image, 0, 0, canvas.width, canvas.height);
  return { id: newId(), uri: canvas.toDataURL("image/webp", 0.92) };
}));

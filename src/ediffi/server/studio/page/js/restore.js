// Settings back from a picture that was made here.
import { call } from "./api.js";
import { brightness, SIDE } from "./masks.js";
import { settingsOf } from "./settings.js";

/** The request that a picture says it was made by. Raises ApiError if it says nothing. */
export const toldBy = (file) =>
  call("/v1/settings", { method: "POST", body: file, headers: { "Content-Type": "image/png" } });

/** The settings of a picture; what was painted for it replaces the masks. */
export async function restored(file, model, masks) {
  const { settings, places } = settingsOf(await toldBy(file), model);
  const alphas = new Map();
  for (const [id, { mask, box }] of Object.entries(places)) {
    alphas.set(id, mask ? brightness(await loaded(mask)) : boxAlpha(box));
  }
  masks.reset();
  for (const { id, colour } of settings.regions) {
    masks.layer(id, colour);
    masks.set(id, alphas.get(id));
  }
  return settings;
}

export const toDataUri = (file) => new Promise((resolve, reject) => {
  const reader = new FileReader();
  reader.onload = () => resolve(reader.result);
  reader.onerror = () => reject(reader.error);
  reader.readAsDataURL(file);
});

async function loaded(uri) {
  const image = new Image();
  image.src = uri;
  await image.decode();
  return image;
}

function boxAlpha([left, top, right, bottom]) {
  const alpha = new Uint8Array(SIDE * SIDE);
  for (let y = Math.round(top * SIDE); y < bottom * SIDE; y++) {
    alpha.fill(255, y * SIDE + Math.round(left * SIDE), y * SIDE + Math.round(right * SIDE));
  }
  return alpha;
}

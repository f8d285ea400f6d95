// Line icons on a grid of 24.
import { html } from "./lib.js";

const PATHS = {
  brush: "M20 4c-5 2-9 6-11 10l2 2c4-2 8-6 10-11zM9 14c-3 0-3 3-5 5 3 1 7 0 7-3",
  box: "M4 8V4h4M16 4h4v4M20 16v4h-4M8 20H4v-4",
  fill: "M5 13l7-7 7 7-6 6a2 2 0 0 1-3 0zM12 6L9 3M5 13h14M21 17c1 1.6 1 2.5 0 3-1-.5-1-1.4 0-3z",
  eraser: "M4 15l9-9a2 2 0 0 1 3 0l3 3a2 2 0 0 1 0 3l-7 7H8zM9 10l6 6M12 19h8",
  undo: "M9 6L4 11l5 5M4 11h10a5 5 0 0 1 0 10h-3",
  redo: "M15 6l5 5-5 5M20 11H10a5 5 0 0 0 0 10h3",
  dice: "M5 4h14a1 1 0 0 1 1 1v14a1 1 0 0 1-1 1H5a1 1 0 0 1-1-1V5a1 1 0 0 1 1-1zM8.5 8.500h.01M15.5 8.500h.01M12 12h.01M8.5 15.500h.01M15.5 15.500h.01",
  lock: "M6 11h12v9H6zM8.5 11V8a3.5 3.5 0 0 1 7 0v3",
  unlock: "M6 11h12v9H6zM8.5 11V7a3.5 3.5 0 0 1 6.8-1",
  download: "M12 4v11M7 11l5 5 5-5M5 20h14",
  compare: "M12 3v18M4 6h5v12H4zM15 6h5v12h-5z",
  upscale: "M4 14v6h6M20 10V4h-6M4 20l7-7M20 4l-7 7",
  stop: "M6 6h12v12H6z",
  trash: "M5 7h14M10 7V4h4v3M7 7l1 13h8l1-13",
  plus: "M12 5v14M5 12h14",
  picture: "M4 5h16v14H4zM4 16l5-5 4 4 3-3 4 4M15.5 9h.01",
  theme: "M12 3a9 9 0 1 0 0 18zM12 3a9 9 0 0 1 0 18",
  close: "M6 6l12 12M18 6L6 18",
  grid: "M4 4h7v7H4zM13 4h7v7h-7zM4 13h7v7H4zM13 13h7v7h-7z",
  reuse: "M4 12a8 8 0 0 1 14-5l2 2M20 4v5h-5M20 12a8 8 0 0 1-14 5l-2-2M4 20v-5h5",
  upload: "M12 16V5M7 9l5-5 5 5M5 20h14",
  eye: "M3 12c3-5 6-7 9-7s6 2 9 7c-3 5-6 7-9 7s-6-2-9-7zM12 9a3 3 0 1 0 0 6 3 3 0 0 0 0-6z",
};

export const Icon = ({ name }) => html`
  <svg class="icon" viewBox="0 0 24 24" aria-hidden="true"><path d=${PATHS[name]} /></svg>
`;

/** A button that is an icon; `label` is its name, for all who do not see it. */
export const IconButton = ({ name, label, pressed, ...rest }) => html`
  <button type="button" class="icon-button" aria-label=${label} title=${label}
    aria-pressed=${pressed === undefined ? undefined : String(pressed)} ...${rest}>
    <${Icon} name=${name} />
  </button>
`;

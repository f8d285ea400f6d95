import { html, render } from "./lib.js";
import { App } from "./app.js";
import { restoreTheme } from "./theme.js";

restoreTheme();
const root = document.getElementById("app");
root.replaceChildren();
render(html`<${App} />`, root);

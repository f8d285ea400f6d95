// What the model was taught to draw, to browse and to put into the prompt.
import { html } from "./lib.js";

export function Vocabulary({ model, settings, set }) {
  const groups = Object.entries(model.vocabulary);
  if (!groups.length) return null;
  const num = groups.reduce((sum, [, things]) => sum + things.length, 0);
  const add = (thing) => {
    const said = settings.prompt.trimEnd();
    set({ prompt: said ? `${said} and ${article(thing)}` : article(thing) });
  };
  return html`
    <details class="vocabulary">
      <summary>The ${num} things it draws</summary>
      ${groups.map(([group, things]) => html`
        <section key=${group}>
          <h3>${group.replaceAll("-", " and ")}</h3>
          <p>${things.map((thing) => html`
            <button type="button" key=${thing} class="word" onClick=${() => add(thing)}>${thing}</button>`)}</p>
        </section>`)}
    </details>
  `;
}

const article = (thing) => `${/^[aeiou]/.test(thing) ? "an" : "a"} ${thing}`;

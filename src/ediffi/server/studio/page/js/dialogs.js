// What went wrong, and the server's key.
import { html, useEffect, useRef } from "./lib.js";
import { hasKey } from "./api.js";
import { IconButton } from "./icons.js";

export const Alert = ({ text, onClose }) => html`
  <div class="alert" role="alert"><p>${text}</p><${IconButton} name="close" label="Close" onClick=${onClose} /></div>
`;

export function KeyDialog({ onKey }) {
  const dialog = useRef(null);
  const field = useRef(null);
  useEffect(() => dialog.current.showModal(), []);
  const submit = (event) => {
    event.preventDefault();
    if (field.current.value) onKey(field.current.value);
  };
  return html`
    <dialog ref=${dialog} class="card" aria-labelledby="key-title" onCancel=${(event) => event.preventDefault()}>
      <form onSubmit=${submit}>
        <h2 id="key-title">This server asks for a key</h2>
        <p class="hint">${hasKey() ? "That key was not the right one. " : ""}It is kept for this tab only.</p>
        <label class="field">API key <input ref=${field} type="password" autocomplete="off" autofocus /></label>
        <div class="row"><button class="primary end">Open the studio</button></div>
      </form>
    </dialog>
  `;
}

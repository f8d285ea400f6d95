// The prompt: painted phrases in their colours, unknown words underlined, and what can be done
// with a selection.
import { html, useEffect, useRef, useState } from "./lib.js";
import { call } from "./api.js";
import { codeUnits, segments, wholeWords } from "./phrases.js";
import { Icon } from "./icons.js";

const TYPING_MS = 350;

export function Prompt({ settings, set, onRegion, onSubmit, children }) {
  const { prompt, regions, active } = settings;
  const [selection, setSelection] = useState(null);
  const heard = useUnderstood(prompt);
  const area = useRef(null);

  useEffect(() => {
    const look = () => {
      const field = area.current;
      if (document.activeElement !== field) return;
      setSelection(wholeWords(field.value, field.selectionStart, field.selectionEnd));
    };
    document.addEventListener("selectionchange", look);
    area.current.addEventListener("select", look);
    return () => document.removeEventListener("selectionchange", look);
  }, []);

  const marks = [
    ...regions.filter((r) => r.start !== null).map((r) => ({ ...r, kind: "region" })),
    ...heard.unknown.map((word) => ({ ...word, kind: "unknown" })),
  ];
  const chosen = selection && selection.end <= prompt.length ? prompt.slice(selection.start, selection.end) : "";
  const replace = ({ start, end }, label) => set({ prompt: prompt.slice(0, start) + label + prompt.slice(end) });
  const key = (event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
      event.preventDefault();
      onSubmit();
    }
  };
  return html`
    <section class="card" aria-label="Prompt">
      <label class="title" for="prompt">Prompt</label>
      <div class="prompt">
        <div class="behind" aria-hidden="true">${segments(prompt, marks).map((part) => html`
          <${Segment} key=${part.start} part=${part} active=${active} />`)}${" "}</div>
        <textarea id="prompt" ref=${area} value=${prompt} rows="3" spellcheck=${false} autocomplete="off"
          placeholder="a red fox next to a rocket, on a light blue background"
          aria-describedby="prompt-help" onKeyDown=${key}
          onInput=${(event) => set({ prompt: event.target.value })}></textarea>
      </div>
      <div class="row" id="prompt-help">
        <button type="button" class="soft" disabled=${!chosen} onClick=${() => onRegion(selection)}>
          <${Icon} name="brush" />${chosen ? `Paint “${short(chosen)}”` : "Paint words"}
        </button>
        <span class="hint">${chosen ? "" : "Select words, then paint them"}</span>
      </div>
      <div class="told" aria-live="polite">
        ${heard.unknown.map((word) => html`
          <p key=${word.word} class="unknown-word">
            <span><b>${word.word}</b> is not a word it knows${word.offers.length ? ":" : "."}</span>
            ${word.offers.map((offer) => html`
              <button type="button" class="offer" onClick=${() => replace(word, offer)}>${offer}</button>`)}
          </p>`)}
        ${heard.notes.map((note) => html`<p key=${note} class="note">${note}</p>`)}
      </div>
      ${children}
    </section>
  `;
}

function Segment({ part, active }) {
  const region = part.marks.find((mark) => mark.kind === "region");
  const unknown = part.marks.some((mark) => mark.kind === "unknown");
  if (!region && !unknown) return part.text;
  const names = `${region ? "phrase" : ""} ${unknown ? "unknown" : ""} ${region?.id === active ? "active" : ""}`;
  return html`<span class=${names} style=${region ? { "--hue": region.colour } : {}}>${part.text}</span>`;
}

/** What the model makes of a prompt, asked for once typing rests. */
function useUnderstood(prompt) {
  const [told, setTold] = useState({ prompt: "", words: [], notes: [] });
  useEffect(() => {
    if (!prompt.trim()) return undefined;
    const stopped = new AbortController();
    const timer = setTimeout(async () => {
      try {
        const answer = await call("/v1/understand", { json: { prompt }, signal: stopped.signal });
        setTold({ ...answer, prompt });
      } catch {
        // a prompt that cannot be understood is told of when it is drawn
      }
    }, TYPING_MS);
    return () => {
      clearTimeout(timer);
      stopped.abort();
    };
  }, [prompt]);
  if (told.prompt !== prompt) return { unknown: [], notes: [] };
  const unknown = told.words
    .filter((word) => word.known === false || word.offers?.length)
    .map((word) => ({
      word: word.word,
      start: codeUnits(prompt, word.start),
      end: codeUnits(prompt, word.end),
      offers: word.offers || [],
    }));
  const notes = told.refusal ? [told.refusal] : told.notes;
  return { unknown, notes };
}

const short = (text) => (text.length > 28 ? `${text.slice(0, 27)}…` : text);

// Phrases of the prompt: where they stand, and how they follow what is typed. Offsets are UTF-16
// code units as in a textarea; the server counts code points, see `codePoints`.

const WORD = /[\p{L}\p{N}\p{M}'’-]/u;

/** The span of whole words that a selection touches, or null if it touches none. */
export function wholeWords(text, start, end) {
  while (start < end && !WORD.test(text[start])) start++;
  while (end > start && !WORD.test(text[end - 1])) end--;
  if (start === end) return null;
  while (start > 0 && WORD.test(text[start - 1])) start--;
  while (end < text.length && WORD.test(text[end])) end++;
  return { start, end };
}

/** What was replaced between two texts: [from, to) of `before` became `length` characters. */
export function edit(before, after) {
  const shorter = Math.min(before.length, after.length);
  let from = 0;
  while (from < shorter && before[from] === after[from]) from++;
  let tail = 0;
  while (tail < shorter - from && before.at(-1 - tail) === after.at(-1 - tail)) tail++;
  return { from, to: before.length - tail, length: after.length - tail - from };
}

/** Where a span is after an edit; null if its words were deleted. */
export function moved({ start, end }, { from, to, length }, after) {
  const grown = length - (to - from);
  if (from === to) { // pure insertion: letters that touch a word belong to it
    const typed = after.slice(from, from + length);
    if (from === end) return { start, end: WORD.test(typed[0]) ? end + wordLength(typed) : end };
    if (from === start) return { start: start + length - trailing(typed), end: end + length };
  }
  if (end <= from) return { start, end };
  if (start >= to) return { start: start + grown, end: end + grown };
  if (from <= start && to >= end) {
    return length && from === start && to === end ? { start, end: start + length } : null;
  }
  if (from >= start && to <= end) return { start, end: end + grown };
  return from < start ? { start: from + length, end: end + grown } : { start, end: from };
}

/** Regions of a prompt that was `before` and is `after`: no phrase is lost. One whose words are
 * gone keeps them as `text` with start null, and is found again when they are back. */
export function follow(regions, before, after) {
  const change = edit(before, after);
  return regions.map((region) => {
    const span = region.start === null ? found(after, region.text) : moved(region, change, after);
    if (!span) return { ...region, start: null, end: null };
    return { ...region, ...span, text: after.slice(span.start, span.end) };
  });
}

/** The only place of a phrase in a text, as whole words, or null. */
export function found(text, phrase) {
  const start = text.indexOf(phrase);
  if (!phrase.trim() || start < 0) return null;
  const end = start + phrase.length;
  const inside = (start && WORD.test(text[start - 1])) || (end < text.length && WORD.test(text[end]));
  return inside ? null : { start, end };
}

/** The prompt cut where something about it begins or ends: [{text, start, marks}]. */
export function segments(text, marks) {
  const cuts = new Set([0, text.length]);
  for (const mark of marks) cuts.add(mark.start).add(mark.end);
  const places = [...cuts].filter((at) => at <= text.length).sort((a, b) => a - b);
  return places.slice(1).map((end, i) => ({
    text: text.slice(places[i], end),
    start: places[i],
    marks: marks.filter((mark) => mark.start <= places[i] && mark.end >= end),
  }));
}

/** An offset in UTF-16 units as the server counts: in code points. */
export const codePoints = (text, offset) => [...text.slice(0, offset)].length;

/** And back. */
export const codeUnits = (text, points) => [...text].slice(0, points).join("").length;

/** The prompt in this style: its phrase at the end, in place of any other style's. */
export function withStyle(prompt, phrase, phrases) {
  let bare = prompt;
  for (const other of [...phrases].sort((a, b) => b.length - a.length)) {
    bare = bare.replace(new RegExp(`,?\\s*${escaped(other)}(?![\\p{L}\\p{N}])`, "giu"), "");
  }
  bare = bare.replace(/[,\s]+$/, "");
  return phrase ? `${bare}, ${phrase}` : bare;
}

const escaped = (text) => text.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");

function wordLength(text) {
  let length = 0;
  while (length < text.length && WORD.test(text[length])) length++;
  return length;
}

function trailing(text) {
  let length = 0;
  while (length < text.length && WORD.test(text.at(-1 - length))) length++;
  return length;
}

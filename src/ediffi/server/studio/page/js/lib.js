// The few names that every part of the page uses.
import { h } from "preact";
import htm from "htm";

export { render, Fragment } from "preact";
export { useCallback, useEffect, useMemo, useReducer, useRef, useState } from "preact/hooks";

export const html = htm.bind(h);

export const classes = (...names) => names.filter(Boolean).join(" ");

export const percent = (share) => (share > 0 && share < 0.01 ? "<1 %" : `${Math.round(share * 100)} %`);

let last = 0;
export const newId = () => `r${++last}`;

export const randomSeed = () => Math.floor(Math.random() * 1_000_000);

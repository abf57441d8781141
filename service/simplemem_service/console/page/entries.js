// How a memory looks, in results and in the timeline alike.

import { make } from "./dom.js";
import { time } from "./format.js";

/** Time, people, place and owner of a memory, as one line. */
function describe(entry) {
  const told = entry.timestamp || entry.created_at;
  const parts = [
    told ? make("time", { datetime: told }, time(told)) : null,
    entry.persons.length ? make("span", {}, entry.persons.join(", ")) : null,
    entry.location ? make("span", {}, entry.location) : null,
    make("span", {}, `${entry.user_id} / ${entry.session_id}`),
  ];
  return make("p", { class: "meta" }, ...parts);
}

/** The sentence of a memory, struck if another one took its place, which is also said in words. */
function sentence(entry) {
  if (!entry.superseded_by) return make("p", { class: "text" }, entry.lossless_restatement);
  const until = entry.valid_until ? ` until ${time(entry.valid_until)}` : "";
  return make(
    "p",
    { class: "text" },
    make("s", {}, entry.lossless_restatement),
    " ",
    make("span", { class: "chip old" }, `superseded${until}`),
  );
}

/** The turns that a memory was made from. */
export function sources(entry) {
  const ids = entry.sources.map((id) => make("li", {}, make("code", {}, id)));
  return ids.length ? make("ul", { class: "sources", "aria-label": "Source turns" }, ...ids) : make("p", {}, "none");
}

/** A list item with a memory and what else belongs to it. */
export function entryItem(entry, ...more) {
  return make("li", { class: "entry", "data-entry": entry.entry_id }, sentence(entry), describe(entry), ...more);
}

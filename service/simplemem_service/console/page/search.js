// The search box: a question, its results with scores and sources, and the context that a prompt would get.

import { call, explain } from "./api.js";
import { byId, make, readForm, say } from "./dom.js";
import { entryItem, sources } from "./entries.js";
import { counted } from "./format.js";

export function startSearch() {
  byId("search-form").addEventListener("submit", (event) => {
    event.preventDefault();
    search(readForm(event.target));
  });
}

/** The body of a search from the fields of the form. */
function question({ query, top_k, persons, from, to, ...filter }) {
  if (persons) filter.persons = persons.split(",").map((name) => name.trim()).filter(Boolean);
  if (from) filter.from = `${from}T00:00:00Z`;
  if (to) filter.to = `${to}T23:59:59Z`;
  const body = { query, filter, explain: true };
  return top_k ? { ...body, top_k: Number(top_k) } : body;
}

let latest = 0;

/** Show no results. */
export function clearSearch() {
  byId("search-results").replaceChildren();
  byId("search-context").hidden = true;
  say(byId("search-message"), "");
}

async function search(fields) {
  const message = byId("search-message");
  if (!fields.query) return;
  const mine = ++latest;
  say(message, "Searching …");
  try {
    const found = await call("v1/search", { method: "POST", body: question(fields) });
    // A slower answer to an earlier question must not replace this one.
    if (mine === latest) show(found, message);
  } catch (error) {
    if (mine !== latest) return;
    // What an earlier question found would look like the answer to this one.
    clearSearch();
    say(message, explain(error), true);
  }
}

function show(found, message) {
  const best = found.results[0]?.score ?? 1;
  byId("search-results").replaceChildren(...found.results.map((hit) => resultItem(hit, best)));
  const number = counted(found.results.length, "memory", "memories");
  const told = found.results.length ? `${number} in ${found.took_ms.toFixed(1)} ms${depth(found)}` : "Nothing found.";
  say(message, found.degraded ? `${told} ${degraded(found.degraded)}` : told);
  const context = byId("search-context");
  context.hidden = !found.context;
  context.querySelector("summary").textContent = `Context for a prompt (${counted(found.context_tokens, "token", "tokens")})`;
  context.querySelector("pre").textContent = found.context;
}

const degraded = (code) => `Looked for by words, people and dates alone, since the meaning cannot be had now (${code}).`;

const depth = (found) => (found.depth ? `, depth ${found.depth.k_dyn} at complexity ${found.depth.complexity.toFixed(2)}` : "");

function resultItem(hit, best) {
  const score = make(
    "p",
    { class: "score" },
    bar(hit.score, best, "Score"),
    make("span", {}, `score ${hit.score.toFixed(3)}`),
  );
  const details = make(
    "details",
    {},
    make("summary", {}, "Scores and sources"),
    make("h3", {}, "Share of each signal"),
    signals(hit.scores),
    make("h3", {}, "From turns"),
    sources(hit),
  );
  return entryItem(hit, score, details);
}

/** What each signal gave or took, the most first; those that said nothing are left out. */
function signals(scores) {
  const named = Object.entries(scores).filter(([, value]) => value).sort((one, other) => other[1] - one[1]);
  if (!named.length) return make("p", {}, "none");
  const most = Math.max(...named.map(([, value]) => value), 0);
  const rows = named.map(([name, value]) =>
    make("tr", {}, make("th", { scope: "row" }, name), make("td", {}, bar(value, most, name)), make("td", {}, value.toFixed(3))),
  );
  return make("table", {}, make("tbody", {}, ...rows));
}

const bar = (value, most, label) =>
  make("meter", { min: 0, max: most > 0 ? most : 1, value: Math.max(value, 0), "aria-label": label });

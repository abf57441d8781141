// A user's memories in the order of their time; those that others replaced are struck.

import { call, explain } from "./api.js";
import { byId, make, readForm, say } from "./dom.js";
import { entryItem } from "./entries.js";
import { counted } from "./format.js";

const PAGE = 100;
const shown = { user: "", entries: [], cursor: null };
/** Number of the last load: answers to earlier ones count no more. */
let latest = 0;

export function startTimeline() {
  byId("timeline-form").addEventListener("submit", (event) => {
    event.preventDefault();
    clearTimeline();
    shown.user = readForm(event.target).user_id || "";
    load();
  });
  byId("timeline-more").addEventListener("click", load);
}

/** Show nobody's memories. */
export function clearTimeline() {
  Object.assign(shown, { user: "", entries: [], cursor: null });
  byId("timeline-entries").replaceChildren();
  byId("timeline-more").hidden = true;
  say(byId("timeline-message"), "");
}

async function load() {
  const message = byId("timeline-message");
  const { user, cursor } = shown;
  const mine = ++latest;
  say(message, "Loading …");
  try {
    const page = await call("v1/entries", { query: { limit: PAGE, ...(user && { user_id: user }), ...(cursor && { cursor }) } });
    if (mine !== latest) return;
    shown.user = user;
    shown.entries.push(...page.entries);
    shown.cursor = page.next_cursor;
    show(message);
  } catch (error) {
    if (mine === latest) say(message, explain(error), true);
  }
}

function show(message) {
  const ordered = shown.entries.toSorted((one, other) => moment(one).localeCompare(moment(other)));
  const replaced = ordered.filter((entry) => entry.superseded_by).length;
  byId("timeline-entries").replaceChildren(...ordered.map((entry) => entryItem(entry, successor(entry))));
  byId("timeline-more").hidden = !shown.cursor;
  const number = counted(ordered.length, "memory", "memories");
  say(message, ordered.length ? `${number}, ${replaced} superseded${shown.cursor ? ", and more" : ""}` : "No memories.");
}

const moment = (entry) => entry.timestamp || entry.created_at || "";

/** A button that shows what replaced a memory, which may be on no page that was loaded. */
function successor(entry) {
  if (!entry.superseded_by) return null;
  const button = make("button", { type: "button", class: "link" }, "Show what replaced it");
  button.addEventListener("click", async () => {
    const place = make("p", { class: "meta", role: "status" });
    button.replaceWith(place);
    try {
      const newer = await call(`v1/entries/${encodeURIComponent(entry.superseded_by)}`);
      say(place, `Replaced by: ${newer.lossless_restatement}`);
    } catch (error) {
      say(place, explain(error), true);
    }
  });
  return button;
}

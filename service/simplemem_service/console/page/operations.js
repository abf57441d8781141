// Turns that are remembered from here, and how far operations have come.

import { Problem, call, explain } from "./api.js";
import { byId, make, readForm, say } from "./dom.js";
import { counted } from "./format.js";

const POLL_MS = 700;
const ENDED = new Set(["Succeeded", "Failed"]);
const sleep = (milliseconds) => new Promise((wake) => setTimeout(wake, milliseconds));

const MOST_POLL_MS = 10_000;

let tellEnded = () => {};
let isSending = false;
/** Changes when what is followed is to be followed no more. */
let era = 0;

/** Let the forms work; `ended` is called whenever an operation has ended. */
export function startOperations(ended) {
  tellEnded = ended;
  byId("remember-form").addEventListener("submit", (event) => {
    event.preventDefault();
    remember(event.target);
  });
  byId("follow-form").addEventListener("submit", (event) => {
    event.preventDefault();
    say(byId("remember-message"), "");
    follow(readForm(event.target).operation_id);
  });
}

/** Follow nothing any more. */
export function clearOperations() {
  era += 1;
  byId("operations").replaceChildren();
  say(byId("remember-message"), "");
}

async function remember(form) {
  const message = byId("remember-message");
  const { speaker, text, ...owner } = readForm(form);
  // A second click before the answer would keep the same words twice.
  if (!speaker || !text || isSending) return;
  isSending = true;
  const turn = { speaker, text, timestamp: new Date().toISOString() };
  say(message, "Sending …");
  try {
    const { operation_id } = await call("v1/turns", { method: "POST", body: { ...owner, turns: [turn] } });
    say(message, "Kept durably; it is searchable once its operation has succeeded.");
    byId("remember-text").value = "";
    follow(operation_id);
  } catch (error) {
    say(message, explain(error), true);
  } finally {
    isSending = false;
  }
}

/** Show an operation and its progress until it has ended. */
async function follow(id) {
  const item = make("li", { class: "operation" });
  const mine = era;
  byId("operations").prepend(item);
  let pause = POLL_MS;
  for (let state = ""; !ENDED.has(state); await sleep(pause)) {
    try {
      const operation = await call(`v1/operations/${encodeURIComponent(id)}`);
      if (mine !== era) return;
      show(item, id, operation);
      state = operation.state;
      pause = POLL_MS;
      if (ENDED.has(state)) tellEnded();
    } catch (error) {
      if (mine !== era) return;
      // A pod that restarts is asked again, less and less often; the operation goes on meanwhile.
      const isPassing = !(error instanceof Problem) || error.status === 503 || error.status === 429;
      const told = isPassing ? `${explain(error)} Asked again.` : explain(error);
      item.replaceChildren(make("code", {}, id), make("p", { class: "error", role: "alert" }, told));
      if (!isPassing) return;
      pause = Math.min(2 * pause, MOST_POLL_MS);
    }
  }
}

function show(item, id, operation) {
  const state = make("span", { class: `chip ${operation.state.toLowerCase()}`, role: "status" }, operation.state);
  const progress = make("progress", { "aria-label": `Progress of ${operation.kind || "the operation"}`, max: 1 });
  const value = share(operation);
  if (value !== null) progress.value = value;
  const outcome = operation.error
    ? make("p", { class: "error", role: "alert" }, operation.error)
    : make("p", { class: "meta" }, tell(operation));
  item.replaceChildren(make("p", {}, state, " ", make("code", {}, id)), progress, outcome);
}

/** How much of an operation is done, from 0 to 1; null if that is not known. */
function share(operation) {
  if (operation.state === "Succeeded") return 1;
  if (operation.state === "Failed") return 0;
  return operation.total ? operation.done / operation.total : null;
}

function tell(operation) {
  const parts = [counted(operation.turns, "turn", "turns"), counted(operation.entries, "entry", "entries")];
  if (operation.dropped) parts.push(`${operation.dropped} dropped`);
  if (operation.unchanged) parts.push(`${operation.unchanged} known already`);
  if (operation.deleted) parts.push(`${operation.deleted} deleted`);
  if (operation.total) parts.push(`${operation.done} of ${operation.total} done`);
  return parts.join(", ");
}

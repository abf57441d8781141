// The column of figures: what the store holds, its queue, its index, its checks, what it costs.

import { call, explain } from "./api.js";
import { byId, fillPairs, make, say } from "./dom.js";
import { bytes, count, duration, money } from "./format.js";

const POLL_MS = 5000;
let timer = 0;

/** Read the figures now, and again as long as somebody looks. */
export function startStatus() {
  document.addEventListener("visibilitychange", refreshStatus);
  // The first time asks for a token where one is needed; later rounds run by themselves and only say so.
  refresh(false);
}

export function refreshStatus() {
  clearTimeout(timer);
  if (document.visibilityState === "visible") refresh(true);
}

async function refresh(quiet) {
  // A store that is not ready answers 503 with the same body.
  const checks = call("readyz", { quiet: true, accept: [503] }).then(showChecks);
  const figures = call("v1/status", { quiet }).then(showFigures);
  const [ready, known] = await Promise.allSettled([checks, figures]);
  const failed = [ready, known].find((one) => one.status === "rejected");
  say(byId("health-message"), failed ? explain(failed.reason) : "", Boolean(failed));
  if (ready.status === "rejected") showState("unreachable", "bad");
  clearTimeout(timer);
  if (document.visibilityState === "visible") timer = setTimeout(refreshStatus, POLL_MS);
}

function showState(text, kind) {
  const chip = byId("store-state");
  say(chip, text);
  chip.className = `chip ${kind}`;
}

function showChecks(report) {
  showState(report.ready ? "ready" : "not ready", report.ready ? "good" : "bad");
  const items = Object.entries(report.checks || {}).map(([name, check]) =>
    make(
      "li",
      {},
      make("span", { class: `chip ${check.ok ? "good" : "bad"}` }, check.ok ? "ok" : check.reason),
      ` ${name}`,
      check.message ? make("span", { class: "meta" }, ` ${check.message}`) : null,
    ),
  );
  byId("checks").replaceChildren(...items);
}

function showFigures(status) {
  const place = `${status.namespace}/${status.name}`;
  document.title = `${place} – SimpleMem`;
  byId("store-name").textContent = place;
  byId("store-tier").textContent = status.tier;
  byId("store-tier").hidden = false;
  fillPairs(byId("memory"), [
    ["Entries", count(status.entries)],
    ["Turns", count(status.turns)],
    ["Storage", bytes(status.storage_bytes)],
    ["Compression", status.llm_models?.length ? status.llm_models.join(", ") : status.llm_mode],
  ]);
  fillPairs(byId("queue"), [
    ["Turns waiting", count(status.pending_turns)],
    ["Oldest waits", duration(status.oldest_pending_seconds)],
  ]);
  fillPairs(byId("index"), [
    ["Not searchable yet", count(status.index_lag_rows)],
    ["Table version", count(status.table_version)],
    ["Model", status.dimension ? `${status.model}, ${status.dimension} numbers` : status.model],
    ["Words", status.lexical],
    ["Re-embedding", reembedding(status.reembedding)],
  ]);
  fillPairs(byId("cost"), costs(status));
}

function reembedding(job) {
  if (!job) return null;
  const bar = make("progress", { max: Math.max(job.total, 1), "aria-label": "Re-embedding" });
  bar.value = job.done;
  return make("span", {}, `${job.action} to ${job.model}: ${count(job.done)} of ${count(job.total)} `, bar);
}

/** What is known of the cost, and whether the tier fits; a token bound to a user is told less. */
function costs(status) {
  const { spend, cost, recommendation } = status;
  return [
    ["Language models, this month", spend ? money(spend.month_usd) : null],
    ["Store, a month", cost ? money(cost.monthly_usd) : null],
    ...(cost?.items || []).map((item) => [item.name, money(item.monthly_usd)]),
    ["Tier", status.tier],
    ["Tier fit", recommendation ? `${recommendation.tier}: ${recommendation.reason}` : null],
  ];
}

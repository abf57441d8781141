// The column of figures: what the store holds, its queue, its index, its checks, what it costs.

import { call, explain } from "./api.js";
import { byId, fillPairs, make, say } from "./dom.js";
import { bytes, count, duration, money, time } from "./format.js";

const POLL_MS = 5000;
let timer = 0;
/** Number of the last round: answers to earlier ones count no more. */
let latest = 0;
/** Figures that readyz tells beside its checks. */
let figures = {};

/** Read the figures now, and again as long as somebody looks. */
export function startStatus() {
  document.addEventListener("visibilitychange", refreshStatus);
  // The first time asks for a token where one is needed; later rounds run by themselves and only say so.
  refresh(false);
}

/** Show no figures, until they are read again. */
export function clearStatus() {
  for (const name of ["memory", "queue", "index", "cost"]) byId(name).replaceChildren();
  byId("tier-advice").textContent = "";
}

export function refreshStatus() {
  clearTimeout(timer);
  if (document.visibilityState === "visible") refresh(true);
}

async function refresh(quiet) {
  const mine = ++latest;
  const unlessLate = (show) => (told) => mine === latest && show(told);
  // A store that is not ready answers 503 with the same body.
  const checks = call("readyz", { quiet: true, accept: [503] }).then(unlessLate(showChecks));
  const status = Promise.all([call("v1/status", { quiet }), checks]).then(([told]) => unlessLate(showStatus)(told));
  const [ready, known] = await Promise.allSettled([checks, status]);
  if (mine !== latest) return;
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
  figures = report.figures || {};
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

function showStatus(status) {
  const place = `${status.namespace}/${status.name}`;
  document.title = `${place} – SimpleMem`;
  byId("store-name").textContent = place;
  byId("store-tier").textContent = status.tier;
  byId("store-tier").hidden = false;
  fillPairs(byId("memory"), [
    ["Entries", count(status.entries)],
    ["Turns", count(status.turns)],
    ["Storage", bytes(status.storage_bytes)],
    ["Last backup", time(status.last_backup_at)],
    ["Compression", status.llm_models?.length ? status.llm_models.join(", ") : status.llm_mode],
  ]);
  fillPairs(byId("queue"), [
    ["Turns waiting", count(status.pending_turns)],
    ["Oldest waits", duration(status.oldest_pending_seconds)],
    ["Last proof that writing works", proof()],
  ]);
  fillPairs(byId("index"), [
    ["Not searchable yet", count(status.index_lag_rows)],
    ["Table version", count(status.table_version)],
    ["Model", status.dimension ? `${status.model}, ${status.dimension} numbers` : status.model],
    ["Words", status.lexical],
    ["Re-embedding", reembedding(status.reembedding)],
  ]);
  fillPairs(byId("cost"), costs(status));
  byId("tier-advice").textContent = status.use ? `${status.use.advice}.` : "";
}

function reembedding(job) {
  if (!job) return null;
  const bar = make("progress", { max: Math.max(job.total, 1), "aria-label": "Re-embedding" });
  bar.value = job.done;
  return make("span", {}, `${job.action} to ${job.model}: ${count(job.done)} of ${count(job.total)} `, bar);
}

/** When a turn of the service's own was last written and found again, and how long that took. */
function proof() {
  if (!figures.canary_at) return null;
  const at = new Date(figures.canary_at * 1000).toISOString();
  return `${time(at)}, ${count(figures.canary_milliseconds)} ms`;
}

/** What is known of the cost, and whether the tier fits; a token bound to a user is told less. */
function costs({ spend, cost, tier, use }) {
  return [
    ["Store, a month", cost ? money(cost.monthly_usd) : null],
    ...(cost?.items || []).map((item) => [`– ${item.name}`, money(item.monthly_usd)]),
    ["Language models, this month", spend ? money(spend.month_usd) : null],
    ...Object.entries(spend?.by_model || {}).map(([model, used]) => [`– ${model}`, money(used.usd)]),
    ["Budget", spend?.budget_usd ? `${money(spend.budget_usd)}${spend.exceeded ? ", exceeded" : ""}` : null],
    ["Tier", tier],
    ["Turns a month", share(use, "turns")],
    ["Questions a month", share(use, "queries")],
    ["Tier fits", fits(use)],
  ];
}

/** How much of what the tier is for is used, as `4,200 of 10,000`. */
function share(use, what) {
  if (!use) return null;
  const used = count(use[`${what}_per_month`]);
  const most = count(use[`tier_${what}`]);
  if (used === null) return most && `up to ${most}`;
  return most ? `${used} of ${most}` : used;
}

/** The verdict of the service, which is that of the operator; the sentence below the figures says why. */
function fits(use) {
  if (!use) return null;
  if (use.fits === null) return "not decided";
  return use.fits ? "yes" : `no, take ${use.recommended_tier}`;
}

// Figures and times as people read them.

const WHOLE = new Intl.NumberFormat("en");
const MONEY = new Intl.NumberFormat("en", { style: "currency", currency: "USD" });
const BYTES = ["B", "KiB", "MiB", "GiB", "TiB"];

export const count = (value) => (typeof value === "number" ? WHOLE.format(value) : null);
export const money = (value) => {
  const amount = Number(value);
  return value === null || value === undefined || Number.isNaN(amount) ? null : MONEY.format(amount);
};

/** One memory, 3 memories. */
export const counted = (number, one, many) => `${WHOLE.format(number)} ${number === 1 ? one : many}`;

export function bytes(value) {
  if (typeof value !== "number") return null;
  const power = Math.min(Math.floor(Math.log2(Math.max(value, 1)) / 10), BYTES.length - 1);
  return `${(value / 1024 ** power).toFixed(power ? 1 : 0)} ${BYTES[power]}`;
}

export function duration(seconds) {
  if (typeof seconds !== "number") return null;
  if (seconds < 60) return `${seconds.toFixed(seconds < 10 ? 1 : 0)} s`;
  return seconds < 3600 ? `${Math.round(seconds / 60)} min` : `${(seconds / 3600).toFixed(1)} h`;
}

/** `2026-03-01 10:00`, in UTC as the API gives it. */
export const time = (iso) => (iso ? iso.slice(0, 16).replace("T", " ") : "");

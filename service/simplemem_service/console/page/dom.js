// Building and filling of elements. Strings become text and never markup.

/** The element with an id, which the page must have. */
export function byId(id) {
  const found = document.getElementById(id);
  if (!found) throw new Error(`the page has no element '${id}'`);
  return found;
}

/** A new element; attributes that are null, undefined or false are left out, children are elements or texts. */
export function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === true) element.setAttribute(name, "");
    else if (value !== null && value !== undefined && value !== false) element.setAttribute(name, String(value));
  }
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
}

/** Fill a definition list with the pairs that have a value. */
export function fillPairs(list, pairs) {
  const known = pairs.filter(([, value]) => value !== null && value !== undefined && value !== "");
  list.replaceChildren(...known.map(([name, value]) => make("div", {}, make("dt", {}, name), make("dd", {}, value))));
}

/** Say something in a live region; an error is marked as one. */
export function say(region, text, isError = false) {
  region.classList.toggle("error", isError);
  // Set only when it changes: screen readers repeat what is written again.
  if (region.textContent !== text) region.textContent = text;
}

/** The filled fields of a form, trimmed, by name. */
export function readForm(form) {
  const fields = {};
  for (const [name, value] of new FormData(form)) {
    const text = String(value).trim();
    if (text) fields[name] = text;
  }
  return fields;
}

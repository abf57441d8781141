// The bearer token of this tab: typed once, kept until the tab closes, one for each path of an origin.

import { byId } from "./dom.js";

const KEY = `simplemem-token:${new URL(".", document.baseURI).pathname}`;
let asked = null;

/** The token of this tab; an empty text if there is none. */
export const currentToken = () => sessionStorage.getItem(KEY) || "";

/** Ask for a token, once for all requests that wait for one; whether the user gave one. */
export function askToken(reason = "") {
  asked ??= new Promise((resolve) => open(reason, resolve)).finally(() => (asked = null));
  return asked;
}

function open(reason, resolve) {
  const dialog = byId("token-dialog");
  const field = byId("token-value");
  byId("token-message").textContent = reason;
  field.value = "";
  dialog.returnValue = "";
  dialog.addEventListener("close", () => resolve(dialog.returnValue === "changed"), { once: true });
  dialog.showModal();
  field.focus();
}

/** Let the dialog and its button work; `changed` is called after the token became another one. */
export function startToken(changed) {
  const dialog = byId("token-dialog");
  const end = (token) => {
    if (token) sessionStorage.setItem(KEY, token);
    else sessionStorage.removeItem(KEY);
    byId("token-value").value = "";
    // Requests that wait for a token are sent again only where there is one.
    dialog.close(token ? "changed" : "");
    changed();
  };
  byId("token").addEventListener("click", () => askToken());
  byId("token-forget").addEventListener("click", () => end(""));
  byId("token-cancel").addEventListener("click", () => dialog.close(""));
  byId("token-form").addEventListener("submit", (event) => {
    event.preventDefault();
    const token = byId("token-value").value.trim();
    if (token) {
      end(token);
      return;
    }
    byId("token-message").textContent = "Type a token, or press Forget to use none.";
    byId("token-value").focus();
  });
}

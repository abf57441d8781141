// Requests to the store that serves this page, relative to the page's own address.

import { askToken, currentToken } from "./token.js";

const BASE = new URL(".", document.baseURI);

/** An error that the store answered; its message is for people. */
export class Problem extends Error {
  constructor(status, body) {
    super(body.detail || body.title || `the store answered ${status}`);
    this.status = status;
    this.code = body.code || "";
    this.requestId = body.request_id || "";
  }
}

/**
 * The answer of a route as an object. Where a token is needed, the user is asked and the request sent again, unless it
 * is one that runs by itself (`quiet`). Throws `Problem`, or `TypeError` if nobody answers.
 */
export async function call(path, { method = "GET", body, query, quiet = false, accept = [] } = {}) {
  for (;;) {
    const token = currentToken();
    const answer = await send(path, method, body, query, token);
    const content = await answer.json().catch(() => ({}));
    // What one token may see is not for who changed it meanwhile.
    if (answer.ok && token !== currentToken()) throw new Problem(401, { detail: "The token was changed meanwhile." });
    if (answer.ok || accept.includes(answer.status)) return content;
    const problem = new Problem(answer.status, content);
    if (answer.status !== 401 || quiet || !(await askToken(token ? problem.message : ""))) throw problem;
  }
}

function send(path, method, body, query, token) {
  const url = new URL(path, BASE);
  for (const [name, value] of Object.entries(query || {})) url.searchParams.set(name, value);
  const headers = { Accept: "application/json" };
  if (token) headers.Authorization = `Bearer ${token}`;
  if (body !== undefined) headers["Content-Type"] = "application/json";
  // Nothing of what is read stays in the browser's cache, and no cookie of another page goes along.
  const options = { method, headers, cache: "no-store", credentials: "omit", redirect: "error" };
  return fetch(url, body === undefined ? options : { ...options, body: JSON.stringify(body) });
}

/** An error in one sentence. */
export function explain(error) {
  if (!(error instanceof Problem)) return error instanceof TypeError ? "The store does not answer." : String(error);
  return error.requestId ? `${error.message} (request ${error.requestId})` : error.message;
}

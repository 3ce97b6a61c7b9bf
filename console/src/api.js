// The administration API. The key lives in this module alone: not in storage, a cookie or an address,
// so that it is gone when the page is.

let key = null;
let onRefused = () => {};

export class ApiError extends Error {
  constructor(status, code, message) {
    super(message);
    this.status = status;
    this.code = code;
  }
}

const unreachable = () => new ApiError(0, "console/unreachable", "The service cannot be reached.");

const sentences = {
  "auth/unauthorized": "This key is not valid. It may be mistyped, expired or no longer active.",
  "authz/forbidden": "This key is valid, but not an administrator's.",
  "server/database-unavailable": "The service has no database at the moment.",
  "server/shutting-down": "This replica is shutting down.",
};

async function failure(response) {
  const body = await response.json().catch(() => null);
  const code = body?.error?.code ?? "console/unexpected";
  const fields = (body?.error?.details?.fields ?? []).map((each) => `${each.field} ${each.message}`);
  const text = fields.length ? fields.join("; ") : body?.error?.message ?? `Status ${response.status}`;
  return new ApiError(response.status, code, sentences[code] ?? text);
}

async function request(path, options = {}) {
  const response = await fetch("/api/admin/v1" + path, {
    ...options, headers: { "X-API-Key": key, ...options.headers }, cache: "no-store", credentials: "omit",
  }).catch((why) => { throw why.name === "AbortError" ? why : unreachable(); });
  if (response.ok) return response;
  const error = await failure(response);
  if (key !== null && (error.status === 401 || error.status === 403)) onRefused(error);
  throw error;
}

const json = async (path, options) => (await request(path, options)).json();

export async function signIn(candidate, refused) {
  key = candidate;
  onRefused = () => {};
  try {
    await json("/migrations/live");
  } catch (error) {
    key = null;
    throw error;
  }
  onRefused = refused;
}

export function signOut() {
  key = null;
}

export const history = (parameters) => json("/migrations?" + new URLSearchParams(parameters));
export const migration = (id) => json("/migrations/" + encodeURIComponent(id));
export const analytics = (parameters) => json("/analytics/migrations?" + new URLSearchParams(parameters));
export const cancel = (id) => json(`/migrations/${encodeURIComponent(id)}/cancel`, { method: "POST" });

/// Calls `handlers.live(migrations)` whenever what runs changes, and `handlers.lost(error)` whenever
/// nothing is known, until `signal` says so. EventSource could not send the key.
export async function watch(handlers, signal) {
  for (let failures = 0; !signal.aborted;) {
    try {
      const response = await request("/migrations/live/events", { signal });
      const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
      for (let text = ""; ;) {
        const { done, value } = await reader.read();
        if (done) break;
        failures = 0;
        const events = (text + value).split("\n\n");
        text = events.pop();
        for (const event of events) dispatch(event, handlers);
      }
    } catch (error) {
      if (signal.aborted) return;
      handlers.lost(error instanceof ApiError ? error : unreachable());
      if (error.status === 401 || error.status === 403) return;
      failures += 1;
    }
    const pause = Math.min(5000, 250 * 2 ** failures) * (0.5 + Math.random() / 2);
    await new Promise((resolve) => setTimeout(resolve, pause));
  }
}

function dispatch(event, handlers) {
  const name = /^event: (.*)$/m.exec(event)?.[1];
  const data = /^data: (.*)$/m.exec(event)?.[1];
  if (name === "live") handlers.live(JSON.parse(data).migrations);
  else if (name === "unavailable") {
    const { code, message } = JSON.parse(data).error;
    handlers.lost(new ApiError(503, code, sentences[code] ?? message));
  }
}

// The administration API. The key lives in this module alone: not in a cookie or an address. Only if the
// administrator wants it, it is kept in the tab as well (sessionStorage), so that it outlives a reload.

const kept = "regroup-key";
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

/// What an administrator does about a migration that failed so.
export const advice = {
  "server/lock-timeout": "Another session of the database held a lock of its devices' rows for longer than database.lock_timeout. While that lasts, Live names the session. It can be asked for again.",
  "server/database-unavailable": "PostgreSQL could not be reached, stopped, or ended the statement. The replica's log has migration.failed with the SQLSTATE for this id. It can be asked for again.",
  "server/internal": "A defect, or a trigger of the database that refused. The replica's log has migration.failed with the SQLSTATE and PostgreSQL's message for this id.",
  "migration/cancelled": "An administrator cancelled it. It can be asked for again.",
};

const sentences = {
  "auth/unauthorized": "This key is not valid. It may be mistyped, expired or no longer active.",
  "authz/forbidden": "This key is valid, but not an administrator's.",
  "server/lock-timeout": "Another session of the database holds a lock.",
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

export const keptKey = () => sessionStorage.getItem(kept);

export async function signIn(candidate, refused, keep) {
  key = candidate;
  onRefused = () => {};
  try {
    await json("/migrations/live");
  } catch (error) {
    key = null;
    if (error.status === 401 || error.status === 403) sessionStorage.removeItem(kept);
    throw error;
  }
  if (keep) sessionStorage.setItem(kept, candidate);
  onRefused = refused;
}

export function signOut() {
  sessionStorage.removeItem(kept);
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

import * as api from "./api.js";
import { announce, h, icon, icons } from "./dom.js";
import * as format from "./format.js";

const mostFinished = 8;

/// What runs now, in every replica, and what has just ended. Lives as long as the sign-in, so that the
/// other views show how many there are.
export function liveFeed(onChange) {
  const feed = { migrations: [], finished: [], cancelled: new Set(), connected: false, error: null, known: false };
  const stop = new AbortController();
  feed.stop = () => stop.abort();
  api.watch({
    live(migrations) {
      const now = new Set(migrations.map((each) => each.migration_id));
      const gone = feed.migrations.filter((each) => !now.has(each.migration_id));
      const before = new Set(feed.migrations.map((each) => each.migration_id));
      const came = migrations.filter((each) => !before.has(each.migration_id));
      Object.assign(feed, { migrations, connected: true, known: true, error: null });
      if (came.length) announce(came.map((each) => `${each.registration_group_id} is being migrated`).join(", "));
      onChange();
      gone.forEach(lookUp);
    },
    lost(error) {
      Object.assign(feed, { connected: false, error });
      onChange();
    },
  }, stop.signal);

  // What left the list has an outcome, or will have in a moment; what was refused has none.
  async function lookUp(gone, attempt = 0) {
    try {
      const found = await api.migration(gone.migration_id);
      feed.finished = [found, ...feed.finished].slice(0, mostFinished);
      announce(`${found.registration_group_id}: ${format.statusName[found.status]}`);
      onChange();
    } catch (error) {
      if (attempt < 5 && !stop.signal.aborted && error.status !== 401)
        setTimeout(() => lookUp(gone, attempt + 1), 500);
    }
  }
  return feed;
}

const fact = (shape, label, ...value) =>
  h("div", { class: "fact" }, h("dt", {}, icon(shape, 16), label), h("dd", {}, ...value));

function elapsed(since) {
  return h("span", { class: "elapsed", "data-since": since }, format.duration(Math.max(0, Date.now() - new Date(since))));
}

function blockers(migration) {
  if (!migration.blocked_by) return null;
  return h("p", { class: "note" }, "Held up by ",
    migration.blocked_by.map((each, place) => [place ? ", " : "",
      h("strong", {}, each.application_name || "a session"), ` (process ${each.backend_pid}, ${each.state ?? "unknown"})`]),
    migration.waits_for ? `, which has the lock it waits for: ${migration.waits_for}.` : ".");
}

function card(migration, cancel, isCancelled) {
  const { lock } = migration;
  return h("li", { class: "card running", "data-migration": migration.migration_id },
    h("div", { class: "card-head" },
      h("h2", {}, migration.registration_group_id),
      isCancelled ? h("span", { class: "chip failed" }, "Cancelled")
        : h("span", { class: `chip ${migration.state}` }, format.liveName[migration.state] ?? migration.state)),
    h("dl", { class: "facts" },
      fact(icons.server, "Replica", migration.replica),
      fact(icons.clock, "Since", h("time", { datetime: migration.received_at }, format.when(migration.received_at)),
        h("span", { class: "dim" }, " (", elapsed(migration.received_at), ")")),
      fact(icons.lock, "Lock", lock
        ? [h("code", {}, lock.key), h("span", { class: "dim" }, ` ${lock.mode}, process ${lock.backend_pid}`)]
        : "none yet")),
    blockers(migration),
    h("div", { class: "card-foot" },
      h("code", { class: "dim" }, migration.migration_id),
      isCancelled ? h("span", { class: "dim" }, "It changes nothing, and leaves this list in a moment.") : h("button", { type: "button", class: "quiet danger", onclick: (event) => cancel(migration, event.target) },
        "Cancel", h("span", { class: "visually-hidden" }, ` the migration of ${migration.registration_group_id}`))));
}

function askToCancel(migration, onCancelled, onDone) {
  const failure = h("p", { class: "error", role: "alert" });
  const confirm = h("button", { type: "button", class: "primary danger" }, "Cancel the migration");
  const dialog = h("dialog", { "aria-labelledby": "cancel-title" },
    h("h2", { id: "cancel-title" }, "Cancel this migration?"),
    h("p", {}, "Nothing of ", h("strong", {}, migration.registration_group_id),
      " will have changed, and it can be migrated again. A migration that is being committed goes on."),
    failure,
    h("div", { class: "actions" },
      h("button", { type: "button", class: "quiet", onclick: () => dialog.close() }, "Keep it running"), confirm));
  confirm.addEventListener("click", async () => {
    confirm.disabled = true;
    try {
      await api.cancel(migration.migration_id);
      dialog.close();
      announce(`${migration.registration_group_id} was cancelled`);
      onCancelled();
    } catch (error) {
      failure.textContent = error.message;
      confirm.disabled = false;
    }
  });
  dialog.addEventListener("close", () => { dialog.remove(); onDone(); });
  document.body.append(dialog);
  dialog.showModal();
}

export function liveView(feed, link) {
  const list = h("ul", { class: "cards" });
  const finished = h("div", {});
  const headline = h("p", { class: "lead" });
  const element = h("section", { "aria-labelledby": "title" },
    h("div", { class: "view-head" }, h("h1", { id: "title", tabindex: "-1" }, "Live"), headline), list, finished);
  const ticking = setInterval(() => {
    for (const each of element.querySelectorAll("[data-since]"))
      each.textContent = format.duration(Math.max(0, Date.now() - new Date(each.dataset.since)));
  }, 500);

  function cancel(migration, button) {
    const done = () => { feed.cancelled.add(migration.migration_id); update(); };
    askToCancel(migration, done, () => button.isConnected && button.focus());
  }

  function update() {
    const { migrations, known, error } = feed;
    headline.textContent = error ? "What runs now is not known."
      : !known ? "Asking what runs …"
      : migrations.length === 0 ? "No migration is taking long."
      : `${migrations.length} ${migrations.length === 1 ? "migration is" : "migrations are"} running.`;
    // Cards that are there already stay the same elements, so that focus does not jump.
    const focused = list.contains(document.activeElement) ? document.activeElement.closest("li").dataset.migration : null;
    list.replaceChildren(...migrations.map((each) => card(each, cancel, feed.cancelled.has(each.migration_id))));
    if (focused) list.querySelector(`[data-migration="${focused}"] button`)?.focus();
    list.classList.toggle("stale", Boolean(error));
    if (known && !error && migrations.length === 0)
      list.replaceChildren(h("li", { class: "card empty" }, icon(icons.calm, 32),
        h("p", {}, h("strong", {}, "All quiet")),
        h("p", { class: "dim" }, "Most migrations take milliseconds. One that runs for longer than a quarter of a second appears here by itself.")));
    finished.replaceChildren(...(feed.finished.length === 0 ? [] : [
      h("h2", {}, "Just ended"),
      h("ul", { class: "rows" }, feed.finished.map((each) => h("li", {},
        h("a", { href: link(each.migration_id) }, each.registration_group_id),
        h("span", { class: `chip ${each.status}` }, format.statusName[each.status]),
        h("span", { class: "dim" }, each.error ? each.error.message
          : `${format.count(each.devices_migrated)} devices in ${format.duration(each.duration_ms)}`))))]));
  }
  update();
  return { element, update, leave: () => clearInterval(ticking) };
}

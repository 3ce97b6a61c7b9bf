import * as api from "./api.js";
import { announce, h, icon, icons } from "./dom.js";
import * as format from "./format.js";

const events = {
  received: ["Received", "A replica took the request."],
  started: ["Left the queue", "A database worker was free, and took it up."],
  locked: ["Locked", "It had the registration group's lock and its devices' rows."],
  committed: ["Written and committed", "Group, memberships, devices and record became true at once."],
  failed: ["Failed", "Nothing was changed."],
  cancelled: ["Cancelled", "An administrator took its id. Nothing was changed."],
  rolled_back: ["Undone", "The group is gone, and its devices are in the registration group again."],
};

function timeline(entries) {
  return h("ol", { class: "timeline" }, entries.map((entry, place) => {
    const [title, text] = events[entry.event] ?? [entry.event, ""];
    const before = place > 0 ? new Date(entry.at) - new Date(entries[place - 1].at) : null;
    return h("li", { class: entry.event },
      h("strong", {}, title), before === null ? null : h("span", { class: "dim" }, ` after ${format.duration(before)}`),
      h("time", { class: "block dim", datetime: entry.at }, format.when(entry.at)), h("p", {}, text));
  }));
}

const fact = (label, ...value) => h("div", { class: "fact" }, h("dt", {}, label), h("dd", {}, ...value));

/// An id, with a button that copies it: ids are for logs and colleagues.
function code(text) {
  if (!text) return "–";
  if (!/^[0-9a-f]{8}-|^[0-9a-f]{32}$/.test(text)) return h("code", {}, text);
  const button = h("button", { type: "button", class: "quiet copy", "aria-label": `Copy ${text}` }, "Copy");
  button.addEventListener("click", async () => {
    await navigator.clipboard.writeText(text);
    announce("Copied");
    button.textContent = "Copied";
    setTimeout(() => { button.textContent = "Copy"; }, 2000);
  });
  return h("span", {}, h("code", {}, text), button);
}

/// What a failed or undone migration means, and where to look next.
function meaning(migration) {
  if (migration.status === "rolled_back")
    return h("p", { class: "note" }, "The group's owner undid it: its devices share the string again, and can be migrated anew.");
  if (migration.status !== "failed") return null;
  return h("div", { class: "note" },
    h("p", {}, h("strong", {}, "Nothing was changed. "), api.advice[migration.error?.code] ?? "It was refused."),
    migration.trace_id ? h("p", {}, "Its lines in the log of every replica have trace_id ", h("code", {}, migration.trace_id), ".") : null);
}

function page(migration, link) {
  return [
    h("div", { class: "view-head" },
      h("h1", { id: "title", tabindex: "-1" }, migration.registration_group_id),
      h("span", { class: `chip large ${migration.status}` }, format.statusName[migration.status])),
    migration.error ? h("p", { class: "error" }, h("code", {}, migration.error.code), " ", migration.error.message) : null,
    meaning(migration),
    h("div", { class: "columns" },
      h("div", { class: "card" }, h("h2", {}, "Timeline"), timeline(migration.timeline ?? [])),
      h("div", { class: "card" }, h("h2", {}, "Facts"), h("dl", { class: "facts wide" },
        fact("Group", migration.name ?? "–"),
        fact("Slug", code(migration.slug)),
        fact("Devices migrated", migration.status === "failed" ? "none" : format.count(migration.devices_migrated)),
        migration.status === "failed" ? null : fact("Left behind", format.count(migration.devices_remaining)),
        fact("In the database", format.duration(migration.duration_ms)),
        fact("Asked for by", h("a", { href: "#/history?" + new URLSearchParams({ user_id: migration.user_id ?? "" }) }, h("code", {}, migration.user_id ?? "–"))),
        fact("Group id", code(migration.authenticated_group_id)),
        fact("Migration id", code(migration.migration_id)),
        fact("Trace", code(migration.trace_id)),
        migration.rollback_trace_id ? fact("Trace of the undo", code(migration.rollback_trace_id)) : null)),
    ),
    migration.device_ids?.length ? h("div", { class: "card" },
      h("h2", {}, "Devices"), h("ul", { class: "ids" }, migration.device_ids.map((id) => h("li", {}, h("code", {}, id))))) : null,
    h("p", {}, h("a", { href: "#/history?" + new URLSearchParams({ registration_group_id: migration.registration_group_id }) },
      "Everything on record for this registration group")),
  ];
}

export function migrationView(id, link) {
  const content = h("div", {}, h("h1", { id: "title", tabindex: "-1" }, "Migration"), h("p", { class: "lead" }, "Looking it up …"));
  const element = h("section", { "aria-labelledby": "title" },
    h("p", {}, h("a", { class: "back", href: "#/history" }, icon(icons.back, 16), "History")), content);
  api.migration(id).then(
    (found) => {
      content.replaceChildren(...page(found, link).filter(Boolean));
      content.querySelector("#title").focus();
    },
    (error) => content.replaceChildren(h("h1", { id: "title", tabindex: "-1" }, "Migration"),
      h("p", { class: "error", role: "alert" }, error.status === 404 ? "There is no such migration on record." : error.message)));
  return { element };
}

import * as api from "./api.js";
import { announce, h } from "./dom.js";
import * as format from "./format.js";

const uuid = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;
const filters = ["registration_group_id", "user_id", "status", "from", "to"];

const field = (label, control) => h("label", { class: "field" }, h("span", {}, label), control);

/// A day in the visitor's own time, as an instant: its beginning, or that of the next one.
function dayBoundary(text, daysLater) {
  const day = new Date(text + "T00:00:00");
  day.setDate(day.getDate() + daysLater);
  return day.toISOString();
}

function query(filter) {
  const asked = { ...filter, limit: 50 };
  if (filter.from) asked.from = dayBoundary(filter.from, 0);
  if (filter.to) asked.to = dayBoundary(filter.to, 1);
  return asked;
}

function row(migration, link) {
  return h("tr", {},
    h("th", { scope: "row" }, h("a", { href: link(migration.migration_id) }, migration.registration_group_id),
      migration.name && migration.name !== migration.registration_group_id ? h("span", { class: "dim block" }, migration.name) : null),
    h("td", {}, h("span", { class: `chip ${migration.status}` }, format.statusName[migration.status]),
      migration.error ? h("code", { class: "dim block" }, migration.error.code) : null),
    h("td", { class: "number" }, format.count(migration.devices_migrated)),
    h("td", { class: "number" }, format.duration(migration.duration_ms)),
    h("td", {}, h("time", { datetime: migration.created_at }, format.when(migration.created_at))));
}

export function historyView(parameters, link, go) {
  const filter = Object.fromEntries(filters.filter((name) => parameters.get(name)).map((name) => [name, parameters.get(name)]));
  const input = (name, attributes) => h("input", { name, value: filter[name] ?? "", autocomplete: "off", ...attributes });
  const status = h("select", { name: "status" },
    h("option", { value: "" }, "Any"),
    Object.entries(format.statusName).map(([value, text]) => h("option", { value, selected: filter.status === value }, text)));
  const form = h("form", { class: "filters", role: "search", "aria-label": "Filter the history" },
    field("Registration group, or a migration's id", input("registration_group_id", { placeholder: "camping-2025", maxlength: 255 })),
    field("User id", input("user_id", { placeholder: "a UUID", maxlength: 36 })),
    field("Outcome", status),
    field("From", input("from", { type: "date" })),
    field("To", input("to", { type: "date" })),
    h("div", { class: "actions" },
      h("button", { type: "submit", class: "primary" }, "Search"),
      h("button", { type: "button", class: "quiet", onclick: () => go("#/history") }, "Clear")));
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const wanted = [...new FormData(form)].map(([name, value]) => [name, value.trim()]).filter(([, value]) => value);
    const id = wanted.length === 1 && wanted[0][0] === "registration_group_id" && uuid.exec(wanted[0][1])?.[0];
    if (id) return api.migration(id).then(() => go(link(id)), () => go("#/history?" + new URLSearchParams(wanted)));
    go("#/history" + (wanted.length ? "?" + new URLSearchParams(wanted) : ""));
  });

  const body = h("tbody");
  const problem = h("p", { class: "error", role: "alert" });
  const nothing = h("p", { class: "card empty", hidden: true }, "No migration fits.");
  const more = h("button", { type: "button", class: "quiet wide", hidden: true }, "Show older ones");
  const table = h("div", { class: "table", role: "region", tabindex: "0", "aria-label": "Migrations, newest first" },
    h("table", {},
      h("thead", {}, h("tr", {}, ["Registration group", "Outcome", "Devices", "Took", "When"].map((name) =>
        h("th", { scope: "col", class: name === "Devices" || name === "Took" ? "number" : null }, name)))), body));

  async function load(cursor) {
    problem.textContent = "";
    more.disabled = true;
    try {
      const page = await api.history(cursor ? { ...query(filter), cursor } : query(filter));
      const rows = page.migrations.map((each) => row(each, link));
      body.append(...rows);
      nothing.hidden = body.children.length > 0;
      table.hidden = !nothing.hidden;
      more.hidden = !page.next_cursor;
      more.onclick = () => load(page.next_cursor);
      announce(`${body.children.length} migrations shown`);
      if (cursor) rows[0]?.querySelector("a").focus();
    } catch (error) {
      problem.textContent = error.message;
    }
    more.disabled = false;
  }
  load();
  return {
    element: h("section", { "aria-labelledby": "title" },
      h("div", { class: "view-head" }, h("h1", { id: "title", tabindex: "-1" }, "History"),
        h("p", { class: "lead" }, "Every migration on record, newest first.")),
      form, problem, nothing, table, more),
  };
}

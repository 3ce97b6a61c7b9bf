import uPlot from "uplot";
import * as api from "./api.js";
import { h } from "./dom.js";
import * as format from "./format.js";

const ranges = {
  day: { name: "24 hours", hours: 24, granularity: "hour" },
  week: { name: "7 days", hours: 24 * 7, granularity: "day" },
  month: { name: "30 days", hours: 24 * 30, granularity: "day" },
  year: { name: "12 months", hours: 24 * 365, granularity: "month" },
};
const stack = ["success", "partial", "rolled_back", "failed"];

const color = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

const steps = {
  hour: { hour: "2-digit", minute: "2-digit" }, day: { day: "numeric", month: "short" },
  week: { day: "numeric", month: "short" }, month: { month: "short", year: "numeric" },
};

/// The axis of time, of steps in UTC: with room for the first and the last bar.
function time(trend, granularity) {
  const short = new Intl.DateTimeFormat(undefined, { ...steps[granularity], timeZone: "UTC" });
  const long = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", ...(granularity === "hour" ? { timeStyle: "short" } : {}), timeZone: "UTC" });
  const at = trend.map((each) => new Date(each.at) / 1000);
  const half = at.length > 1 ? (at[1] - at[0]) / 2 : 1800;
  return {
    at,
    series: { label: "From", value: (_, value) => (value ? long.format(value * 1000) : "–") },
    axis: axis({ grid: { show: false }, size: 34, splits: () => at, filter: (plot, splits) => {
      const every = Math.ceil(splits.length / Math.max(1, Math.floor(plot.width / 80)));
      return splits.map((each, place) => (place % every === 0 ? each : null));
    }, values: (_, splits) => splits.map((each) => (each === null ? "" : short.format(each * 1000))) }),
    scale: { time: true, range: () => [at[0] - half, at[at.length - 1] + half] },
  };
}

function axis(extra = {}) {
  return {
    stroke: color("--dim"), font: "12px system-ui, sans-serif", grid: { stroke: color("--line"), width: 1 }, ticks: { show: false }, ...extra,
  };
}

const wholeNumbers = { values: (_, splits) => splits.map((each) => (Number.isInteger(each) ? format.count(each) : "")), size: 48 };

/// A chart as wide as its place, with a sentence for those who do not see it.
function chart(title, sentence, options, data) {
  const place = h("div", { class: "chart", role: "img", "aria-label": sentence });
  const figure = h("figure", { class: "card" }, h("figcaption", {}, h("h2", {}, title)), place);
  const plot = new uPlot({
    width: 600, height: 240, cursor: { y: false, points: { show: false } }, legend: { live: true }, ...options,
  }, data, place);
  new ResizeObserver(() => {
    if (place.clientWidth > 0) plot.setSize({ width: place.clientWidth, height: 240 });
  }).observe(place);
  return figure;
}

/// Each series stands on those below it: drawn from the highest sum to the lowest.
function outcomes(trend, granularity) {
  const x = time(trend, granularity);
  const sums = stack.map((_, top) => trend.map((each) => stack.slice(0, top + 1).reduce((sum, name) => sum + each[name], 0)));
  const bars = uPlot.paths.bars({ size: [0.7, 48], radius: 0.15 });
  const series = stack.map((name, place) => ({
    label: format.statusName[name], stroke: color(`--${name}`), fill: color(`--${name}`), width: 0, paths: bars, points: { show: false },
    value: (_, __, ___, index) => (index === null || index === undefined ? "–" : format.count(trend[index][name])), place,
  })).reverse();
  return chart("Migrations", `${trend.length} steps; the figures are in the table below.`,
    { series: [x.series, ...series], axes: [x.axis, axis(wholeNumbers)],
      scales: { x: x.scale, y: { range: (_, __, most) => [0, Math.max(1, most * 1.1)] } } },
    [x.at, ...sums.reverse()]);
}

function durations(trend, granularity) {
  const x = time(trend, granularity);
  const line = (label, name, width, dash) => ({
    label, stroke: color(name), width, dash, spanGaps: false, points: { show: true, size: 5, fill: color(name) },
    value: (_, value) => format.duration(value),
  });
  return chart("Time in the database", "Median and 95th percentile of each step; the figures are in the table below.",
    { series: [x.series, line("Median", "--accent", 2), line("95th percentile", "--rolled_back", 2, [6, 4])],
      axes: [x.axis, axis({ values: (_, splits) => splits.map((each) => format.duration(each)), size: 64 })],
      scales: { x: x.scale, y: { range: (_, __, most) => [0, Math.max(1, most * 1.15)] } } },
    [x.at, trend.map((each) => each.duration_ms_median), trend.map((each) => each.duration_ms_p95)]);
}

const figure = (label, value, note) =>
  h("div", { class: "card kpi" }, h("dt", {}, label), h("dd", {}, h("strong", {}, value), h("span", { class: "dim block" }, note)));

function figures(data) {
  const { totals, devices, duration_ms: took, seconds_since_registration: waited } = data;
  return h("dl", { class: "kpis" },
    figure("Migrations", format.count(totals.migrations), `${format.count(totals.devices)} devices`),
    figure("Success rate", format.percent(data.success_rate), `${format.count(totals.failed)} failed, ${format.count(totals.rolled_back)} undone`),
    figure("Devices in each", devices.median === null ? "–" : format.decimal(devices.median), `median; 95 % have at most ${devices.p95 === null ? "–" : format.decimal(devices.p95)}`),
    figure("Time in the database", format.duration(took.median), `median; 95 % within ${format.duration(took.p95)}`),
    figure("Since first registration", format.duration(waited.median === null ? null : waited.median * 1000), `median of ${format.count(waited.migrations)} ${waited.migrations === 1 ? "migration" : "migrations"}`));
}

function errors(list) {
  const most = Math.max(1, ...list.map((each) => each.count));
  return h("div", { class: "card" }, h("h2", {}, "Errors"),
    list.length === 0 ? h("p", { class: "dim" }, "No migration failed.")
    : h("ul", { class: "bars" }, list.map((each) => {
      const bar = h("span", { class: "bar", "aria-hidden": "true" });
      bar.style.width = `${(each.count / most) * 100}%`;
      return h("li", {}, h("span", {}, h("code", {}, each.code)), h("strong", {}, format.count(each.count)), bar);
    })));
}

function largest(list, link) {
  return h("div", { class: "card" }, h("h2", {}, "Largest"),
    list.length === 0 ? h("p", { class: "dim" }, "None yet.")
    : h("ol", { class: "rows" }, list.map((each) => h("li", {},
      h("a", { href: link(each.migration_id) }, each.registration_group_id),
      h("span", { class: "dim" }, `${format.count(each.devices_migrated)} devices`)))));
}

function table(trend) {
  return h("details", { class: "card" }, h("summary", {}, "The figures as a table"),
    h("div", { class: "table", role: "region", tabindex: "0", "aria-label": "Trend" }, h("table", {},
      h("thead", {}, h("tr", {}, h("th", { scope: "col" }, "From (UTC)"), stack.map((name) => h("th", { scope: "col", class: "number" }, format.statusName[name])),
        h("th", { scope: "col", class: "number" }, "Median"), h("th", { scope: "col", class: "number" }, "95 %"))),
      h("tbody", {}, trend.map((each) => h("tr", {}, h("th", { scope: "row" }, each.at.replace("T", " ").slice(0, 16)),
        stack.map((name) => h("td", { class: "number" }, format.count(each[name]))),
        h("td", { class: "number" }, format.duration(each.duration_ms_median)), h("td", { class: "number" }, format.duration(each.duration_ms_p95))))))));
}

export function trendsView(parameters, link, go) {
  const chosen = ranges[parameters.get("range")] ? parameters.get("range") : "week";
  const content = h("div", {}, h("p", { class: "lead" }, "Counting …"));
  const element = h("section", { "aria-labelledby": "title" },
    h("div", { class: "view-head" }, h("h1", { id: "title", tabindex: "-1" }, "Trends"),
      h("div", { class: "segments", role: "group", "aria-label": "Time" }, Object.entries(ranges).map(([id, { name }]) =>
        h("button", { type: "button", "aria-pressed": String(id === chosen), onclick: () => go(`#/trends?range=${id}`) }, name)))),
    content);
  const { hours, granularity } = ranges[chosen];
  const dark = matchMedia("(prefers-color-scheme: dark)");
  let data = null;
  const draw = () => data && content.replaceChildren(figures(data),
    h("div", { class: "columns" }, outcomes(data.trend, granularity), durations(data.trend, granularity)),
    h("div", { class: "columns" }, errors(data.errors), largest(data.largest, link)), table(data.trend));
  api.analytics({ from: new Date(Date.now() - hours * 3600e3).toISOString(), to: new Date().toISOString(), granularity }).then(
    (found) => { data = found; draw(); },
    (error) => content.replaceChildren(h("p", { class: "error", role: "alert" }, error.message)));
  dark.addEventListener("change", draw);
  return { element, leave: () => dark.removeEventListener("change", draw) };
}

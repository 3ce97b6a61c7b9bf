import "uplot/dist/uPlot.min.css";
import "./style.css";
import * as api from "./api.js";
import { h, icon, icons } from "./dom.js";
import { historyView } from "./history.js";
import { liveFeed, liveView } from "./live.js";
import { migrationView } from "./migration.js";
import { trendsView } from "./trends.js";

const app = document.getElementById("app");
const link = (id) => "#/migrations/" + encodeURIComponent(id);
const go = (hash) => (location.hash === hash ? window.dispatchEvent(new HashChangeEvent("hashchange")) : (location.hash = hash));
const brand = () => h("span", { class: "brand" }, icon(icons.logo, 26), "Regroup");

let session = null; // while signed in: the feed, and what stands on the page

function signInPage(message = "") {
  document.title = "Sign in · Regroup console";
  const key = h("input", {
    id: "key", type: "password", required: true, autocomplete: "off", spellcheck: "false", autocapitalize: "none",
    "aria-describedby": "key-help sign-in-error", placeholder: "rgk_…",
  });
  const keep = h("input", { id: "keep", type: "checkbox" });
  const error = h("p", { id: "sign-in-error", class: "error", role: "alert" }, message);
  const button = h("button", { type: "submit", class: "primary wide" }, "Sign in");
  const form = h("form", { class: "card sign-in", novalidate: true },
    brand(), h("h1", {}, "Console"),
    h("label", { for: "key" }, "Administrator's API key"), key,
    h("p", { id: "key-help", class: "dim" }, "It stays in this page's memory, and is gone when the page is closed or reloaded, unless this tab keeps it. ",
      h("code", {}, "regroup api-key create --admin"), " makes one."),
    h("label", { class: "check", for: "keep" }, keep, "Keep me signed in, in this tab alone, until it is closed"),
    error, button);
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    error.textContent = "";
    if (!key.value.trim()) {
      error.textContent = "Enter a key.";
      return key.focus();
    }
    button.disabled = true;
    try {
      await api.signIn(key.value.trim(), (why) => signOut(why.message), keep.checked);
      signedIn();
    } catch (why) {
      error.textContent = why.message;
      button.disabled = false;
      key.select();
      key.focus();
    }
  });
  app.replaceChildren(h("main", { class: "centred" }, form));
  key.focus();
}

function signOut(message = "") {
  session?.leave();
  session = null;
  api.signOut();
  signInPage(message);
}

function signedIn() {
  const main = h("main", { id: "main" });
  const badge = h("span", { class: "badge", hidden: true });
  const state = h("span", { class: "state", role: "status" });
  const banner = h("p", { class: "banner", role: "alert", hidden: true });
  const tab = (hash, name, shape, extra) => h("a", { href: hash }, icon(shape), h("span", {}, name), extra ?? null);
  const tabs = h("nav", { "aria-label": "Views" },
    tab("#/live", "Live", icons.live, badge), tab("#/trends", "Trends", icons.trends), tab("#/history", "History", icons.history));
  let view = null;

  const feed = liveFeed(() => {
    const { migrations, connected, error } = feed;
    badge.hidden = migrations.length === 0;
    badge.textContent = migrations.length;
    badge.setAttribute("aria-label", `${migrations.length} running`);
    state.className = `state ${connected ? "good" : "bad"}`;
    state.textContent = connected ? "Connected" : "Not connected";
    banner.hidden = !error;
    if (error && banner.textContent !== error.message) banner.textContent = error.message;
    view?.update?.();
  });

  function show(first) {
    const [path, query] = location.hash.slice(1).split("?");
    const parameters = new URLSearchParams(query);
    view?.leave?.();
    const id = /^\/migrations\/(.+)$/.exec(path)?.[1];
    view = id ? migrationView(decodeURIComponent(id), link)
      : path === "/trends" ? trendsView(parameters, link, go)
      : path === "/history" ? historyView(parameters, link, go)
      : liveView(feed, link);
    const current = id || path === "/history" ? "#/history" : path === "/trends" ? "#/trends" : "#/live";
    for (const each of tabs.children) {
      if (each.getAttribute("href") === current) each.setAttribute("aria-current", "page");
      else each.removeAttribute("aria-current");
    }
    main.replaceChildren(banner, view.element);
    const title = main.querySelector("#title");
    document.title = `${title.textContent} · Regroup console`;
    if (!first) title.focus();
    scrollTo(0, 0);
  }
  const navigate = () => show(false);
  window.addEventListener("hashchange", navigate);
  session = {
    leave() {
      window.removeEventListener("hashchange", navigate);
      view?.leave?.();
      feed.stop();
    },
  };
  app.replaceChildren(
    h("a", { class: "skip", href: "#main", onclick: (event) => { event.preventDefault(); main.querySelector("#title").focus(); } }, "Skip to the content"),
    h("header", { class: "top" }, brand(), tabs, h("div", { class: "top-end" }, state,
      h("button", { type: "button", class: "quiet icon", onclick: () => signOut() }, icon(icons.leave), h("span", {}, "Sign out")))),
    main, h("div", { id: "announcer", class: "visually-hidden", role: "status" }));
  show(true);
  main.querySelector("#title").focus();
}

const keptKey = api.keptKey();
if (keptKey) api.signIn(keptKey, (why) => signOut(why.message), true).then(signedIn, (why) => signInPage(why.message));
else signInPage();

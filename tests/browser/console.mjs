// node console.mjs: looks at the console as a person would, in a real Chromium. Told by the environment
// where it is; says on stdout, a word a line, what the world is to do meanwhile (tests/service/
// console_test.cpp does it) and ends with 0 when everything was as it should be.
import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { chromium } from "playwright-core";

const { CONSOLE_URL: base, CONSOLE_KEY: key, CONSOLE_DEVICE_KEY: deviceKey, CONSOLE_GROUP: group,
  CONSOLE_REPLICA: replica, CONSOLE_PICTURES: pictures } = process.env;
const axeSource = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const profile = mkdtempSync(join(tmpdir(), "regroup-chromium-"));
mkdirSync(pictures, { recursive: true });

const ask = (word) => console.log(word);
const step = (text) => console.log("# " + text);

const browser = await chromium.launchPersistentContext(profile, {
  executablePath: "/usr/bin/chromium",
  args: ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync"],
  viewport: { width: 1280, height: 860 }, colorScheme: "light", reducedMotion: "reduce", locale: "en-GB", timezoneId: "UTC",
});
const page = browser.pages()[0];
page.setDefaultTimeout(20_000);

const complaints = [];
let expected = []; // what the browser itself says of an answer that is no 2xx
page.on("console", (message) => {
  if (["error", "warning"].includes(message.type()) && !expected.some((each) => each.test(message.text())))
    complaints.push(message.text());
});
page.on("pageerror", (error) => complaints.push(String(error)));
page.on("request", (request) => {
  const url = request.url();
  if (!url.startsWith(base + "/") && !url.startsWith("data:")) complaints.push("asked another host: " + url);
});

/// Every view, in both schemes, has no violation that axe-core can find. It runs in a world of its own:
/// the page's policy allows no script that is not the page's.
async function accessible(what) {
  const session = await browser.newCDPSession(page);
  const { frameTree } = await session.send("Page.getFrameTree");
  const { executionContextId: contextId } = await session.send("Page.createIsolatedWorld", { frameId: frameTree.frame.id });
  await session.send("Runtime.evaluate", { expression: axeSource, contextId });
  const { result, exceptionDetails } = await session.send("Runtime.evaluate", {
    expression: `axe.run(document, { resultTypes: ["violations"] }).then((found) => JSON.stringify(found.violations.map((each) =>
      ({ id: each.id, nodes: each.nodes.map((node) => node.html + " :: " + node.failureSummary) }))))`,
    contextId, awaitPromise: true, returnByValue: true });
  assert.equal(exceptionDetails, undefined);
  await session.detach();
  assert.deepEqual(JSON.parse(result.value), [], `axe-core on ${what}`);
}

const shot = (name) => page.screenshot({ path: join(pictures, name + ".png"), fullPage: true });
const heading = (name) => page.getByRole("heading", { level: 1, name });
const noSidewaysScroll = async (what) =>
  assert.ok(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth), `${what} scrolls sideways`);

async function look(name) {
  await accessible(name);
  await shot(name);
  await page.emulateMedia({ colorScheme: "dark" });
  await accessible(name + ", dark");
  await shot(name + "-dark");
  await page.emulateMedia({ colorScheme: "light" });
}

async function signIn(with_) {
  await page.getByLabel("Administrator's API key").fill(with_);
  await page.getByRole("button", { name: "Sign in" }).click();
}

try {
  step("the page comes with a strict policy, and asks for a key");
  const response = await page.goto(base + "/admin");
  const policy = response.headers()["content-security-policy"];
  assert.match(policy, /default-src 'none'/);
  assert.doesNotMatch(policy, /unsafe/);
  await page.getByLabel("Administrator's API key").waitFor();
  await look("sign-in");

  step("a wrong key, and a key that is no administrator's, are told so");
  expected = [/the server responded with a status of 40[13]/];
  await signIn("rgk_wrong");
  await page.getByRole("alert").filter({ hasText: "This key is not valid" }).waitFor();
  await signIn(deviceKey);
  await page.getByRole("alert").filter({ hasText: "not an administrator's" }).waitFor();
  await look("sign-in-refused");
  expected = [];

  step("signs in by the keyboard alone");
  await page.getByLabel("Administrator's API key").fill(key);
  await page.keyboard.press("Enter");
  await heading("Live").waitFor();
  await page.getByText("All quiet").waitFor();
  await page.getByText("Connected", { exact: true }).waitFor();
  assert.deepEqual(await page.evaluate(() => [localStorage.length, sessionStorage.length, document.cookie]), [0, 0, ""]);
  await look("live-quiet");

  step("a migration that is held appears by itself");
  const began = Date.now();
  ask("hold");
  const card = page.getByRole("listitem").filter({ hasText: group }).filter({ hasText: "Waiting for a lock" });
  await card.waitFor();
  console.log(`# it was there after ${Date.now() - began} ms`);
  const text = await card.innerText();
  assert.ok(text.includes(replica), "its replica: " + text);
  assert.match(text, /Since[\s\S]*\d{4}[\s\S]*\(/);
  assert.match(text, /ExclusiveLock/);
  assert.match(text, /Held up by/);
  assert.equal(await page.getByLabel("1 running").innerText(), "1");
  await look("live-running");

  step("it can be asked to be cancelled, and kept");
  await card.getByRole("button", { name: "Cancel" }).click();
  await page.getByRole("dialog").waitFor();
  await look("cancel");
  await page.keyboard.press("Escape");
  await page.getByRole("dialog").waitFor({ state: "detached" });

  step("it ends, and says how");
  ask("release");
  const ended = page.getByRole("listitem").filter({ hasText: group }).filter({ hasText: "Migrated" });
  await ended.waitFor();
  await page.getByText("All quiet").waitFor();
  await shot("live-ended");

  step("a second one is cancelled");
  ask("hold");
  await page.getByRole("button", { name: "Cancel" }).click();
  await page.getByRole("button", { name: "Cancel the migration", exact: true }).click();
  await page.getByRole("dialog").waitFor({ state: "detached" });
  // It is over with the cancellation, although its session still waits for the lock.
  await page.getByRole("listitem").filter({ hasText: "cancelled the migration" }).waitFor();
  await page.getByText("All quiet").waitFor();
  assert.equal(await page.getByRole("button", { name: "Cancel" }).count(), 0);
  await look("cancelled");
  ask("release");

  step("it is found in the history, by its group");
  await page.getByRole("link", { name: "History" }).click();
  await heading("History").waitFor();
  await page.getByRole("button", { name: "Show older ones" }).waitFor();
  assert.equal(await page.getByRole("row").count(), 51);
  await look("history");
  await page.getByRole("button", { name: "Show older ones" }).click();
  await page.waitForFunction(() => document.querySelectorAll("tbody tr").length === 100);
  await page.getByLabel("Registration group").fill(group);
  await page.keyboard.press("Enter");
  await page.waitForFunction(() => document.querySelectorAll("tbody tr").length === 1);
  await page.getByRole("row").filter({ hasText: group }).filter({ hasText: "Migrated" }).waitFor();
  assert.match(page.url(), /registration_group_id=/);

  step("a field that is wrong is told");
  expected = [/the server responded with a status of 400/];
  await page.getByLabel("User id").fill("chen");
  await page.keyboard.press("Enter");
  await page.getByRole("alert").filter({ hasText: "user_id must be a UUID" }).waitFor();
  await page.goBack();
  expected = [];

  step("its page tells its timeline");
  await page.getByRole("link", { name: group }).click();
  await heading(group).waitFor();
  for (const event of ["Received", "Left the queue", "Locked", "Written and committed"]) await page.getByText(event, { exact: true }).waitFor();
  await look("migration");

  step("failed ones are found by their outcome");
  await page.getByRole("link", { name: "History", exact: true }).first().click();
  await page.getByLabel("Outcome").selectOption("failed");
  await page.getByRole("button", { name: "Search" }).click();
  const failed = page.getByRole("row").filter({ hasText: "migration/cancelled" });
  await failed.waitFor();
  await failed.getByRole("link").click();
  await page.getByText("Nothing was changed.").first().waitFor();
  await page.getByText("none", { exact: true }).waitFor();
  await look("migration-failed");
  await page.goBack();

  step("a migration is found by its id");
  const ids = await page.evaluate(async ([key]) => {
    const answer = await fetch("/api/admin/v1/migrations?status=failed&limit=1", { headers: { "X-API-Key": key } });
    return (await answer.json()).migrations.map((each) => each.migration_id);
  }, [key]);
  await page.getByRole("button", { name: "Clear" }).click();
  await page.getByLabel("Registration group, or a migration's id").fill(ids[0]);
  await page.keyboard.press("Enter");
  await page.waitForURL(new RegExp("#/migrations/" + ids[0]));
  await page.goBack();
  await page.getByLabel("Outcome").selectOption("failed");
  await page.getByRole("button", { name: "Search" }).click();
  await page.getByRole("row").filter({ hasText: "migration/cancelled" }).waitFor();
  assert.equal(await page.getByRole("row").filter({ hasText: "Migrated" }).count(), 0);

  step("the trends are drawn, and told as a table");
  await page.getByRole("link", { name: "Trends" }).click();
  await page.locator("canvas").nth(1).waitFor();
  await page.getByText("server/database-unavailable").waitFor();
  await look("trends");
  await page.getByText("The figures as a table").click();
  await page.getByRole("columnheader", { name: "Undone" }).waitFor();
  await accessible("the trend's table");
  await page.getByRole("button", { name: "30 days" }).click();
  await page.getByRole("button", { name: "30 days", pressed: true }).waitFor();
  await page.locator("canvas").nth(1).waitFor();

  step("it is usable on a phone");
  await page.setViewportSize({ width: 360, height: 740 });
  for (const [name, title] of [["Live", "Live"], ["Trends", "Trends"], ["History", "History"]]) {
    await page.getByRole("link", { name, exact: true }).first().click();
    await heading(title).waitFor();
    if (name === "Trends") await page.locator("canvas").nth(1).waitFor();
    if (name === "History") await page.getByRole("button", { name: "Show older ones" }).waitFor();
    await noSidewaysScroll(name + " on a phone");
    await look(`phone-${name.toLowerCase()}`);
  }
  await page.getByRole("link", { name: group }).click();
  await heading(group).waitFor();
  await noSidewaysScroll("a migration on a phone");
  await look("phone-migration");
  await page.setViewportSize({ width: 1280, height: 860 });

  step("a database that is gone is told, and so is its return");
  expected = [/the server responded with a status of 503/, /ERR_/];
  await page.getByRole("link", { name: "Live" }).click();
  ask("database-down");
  await page.getByRole("alert").filter({ hasText: "no database at the moment" }).waitFor();
  await page.getByText("Not connected").waitFor();
  await look("database-down");
  ask("database-up");
  await page.getByText("Connected", { exact: true }).waitFor();
  expected = [];

  step("signs out, and nothing of the key is left");
  await page.getByRole("button", { name: "Sign out" }).click();
  await page.getByLabel("Administrator's API key").waitFor();
  assert.equal(await page.getByLabel("Administrator's API key").inputValue(), "");
  assert.equal(await page.evaluate(() => sessionStorage.length), 0);

  step("a tab that was asked to keeps the sign-in over a reload, until it signs out");
  await page.getByLabel("Keep me signed in").check();
  await signIn(key);
  await heading("Live").waitFor();
  await page.reload();
  await heading("Live").waitFor();
  await page.getByRole("button", { name: "Sign out" }).click();
  await page.reload();
  await page.getByLabel("Administrator's API key").waitFor();
  assert.equal(await page.evaluate(() => sessionStorage.length), 0);

  assert.deepEqual(complaints, [], "the browser's console, and other hosts");
  ask("done");
} catch (error) {
  await shot("failure").catch(() => {});
  console.error(error, complaints);
  process.exitCode = 1;
} finally {
  await browser.close();
  rmSync(profile, { recursive: true, force: true });
}

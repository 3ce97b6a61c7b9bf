// node docs.mjs: reads the page at /docs as a developer would, in a real Chromium, on a desk and on a phone,
// in the light and in the dark. The environment says where it is; ends with 0 when all is as it should be.
import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { chromium } from "playwright-core";

const { DOCS_URL: base, DOCS_KEY: key, DOCS_PICTURES: pictures } = process.env;
const axeSource = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const profile = mkdtempSync(join(tmpdir(), "regroup-chromium-"));
mkdirSync(pictures, { recursive: true });
const step = (text) => console.log("# " + text);

const browser = await chromium.launchPersistentContext(profile, {
  executablePath: "/usr/bin/chromium",
  args: ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync"],
  viewport: { width: 1280, height: 860 }, colorScheme: "light", reducedMotion: "reduce", locale: "en-GB",
});
const page = browser.pages()[0];
page.setDefaultTimeout(20_000);

const complaints = [];
page.on("console", (message) => {
  if (message.type() === "error") complaints.push(message.text());
});
page.on("pageerror", (error) => complaints.push(String(error)));
page.on("request", (request) => {
  const url = request.url();
  if (!url.startsWith(base + "/") && !url.startsWith("data:") && !url.startsWith("blob:"))
    complaints.push("asked another host: " + url);
});

/// What axe-core finds of what a person cannot read or reach. It runs in a world of its own: the page's
/// policy allows no script that is not the page's. One rule is left out: Swagger UI puts a link into the
/// button that opens a route.
async function readable(what) {
  const session = await browser.newCDPSession(page);
  const { frameTree } = await session.send("Page.getFrameTree");
  const { executionContextId: contextId } = await session.send("Page.createIsolatedWorld", { frameId: frameTree.frame.id });
  await session.send("Runtime.evaluate", { expression: axeSource, contextId });
  const { result, exceptionDetails } = await session.send("Runtime.evaluate", {
    expression: `axe.run(document, { resultTypes: ["violations"], rules: { "nested-interactive": { enabled: false } } }).then((found) => JSON.stringify(
      found.violations.filter((each) => ["critical", "serious"].includes(each.impact)).map((each) =>
        each.id + ": " + each.nodes.map((node) => node.html.slice(0, 90) + " :: " + node.failureSummary.match(/contrast of .*?\\)/)?.[0]).join("\\n  "))))`,
    contextId, awaitPromise: true, returnByValue: true });
  assert.equal(exceptionDetails, undefined);
  await session.detach();
  assert.deepEqual(JSON.parse(result.value), [], `axe-core on ${what}`);
}

const noSidewaysScroll = async (what) =>
  assert.ok(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth), `${what} scrolls sideways`);
const opened = async (id) => {
  const block = page.locator(`[id$="-${id}"].opblock`);
  await block.locator(".opblock-summary-control").click();
  await block.locator(".opblock-body").waitFor();
  return block;
};

try {
  step("authentication comes first, then the routes by who calls them");
  await page.goto(base + "/");
  assert.equal(page.url(), base + "/docs");
  await page.locator(".opblock").first().waitFor();
  const headings = await page.locator("h2, h3.opblock-tag").allInnerTexts();
  assert.equal(headings[0], "Authentication");
  const tags = (await page.locator("h3.opblock-tag").allInnerTexts()).map((each) => each.split("\n")[0].trim());
  assert.match(tags[0], /^apps/);
  assert.match(tags.at(-1), /^operators/);
  await noSidewaysScroll("the page");
  await page.screenshot({ path: join(pictures, "docs.png") });

  step("each route has an example and a curl line");
  const migrate = await opened("migrateGroup");
  await migrate.getByText('curl -X POST "$REGROUP/api/v1/groups/migrate"').waitFor();
  assert.match(await migrate.innerText(), /camping-2025/);
  await readable("the page");
  await migrate.screenshot({ path: join(pictures, "docs-route.png") });

  step("a route is tried out, with a key that was entered once");
  await page.getByRole("button", { name: "Authorize" }).first().click();
  const dialog = page.locator(".modal-ux");
  await dialog.locator("input").last().fill(key);
  await dialog.getByRole("button", { name: /apply credentials/i }).last().click();
  await dialog.getByRole("button", { name: "Close" }).last().click();
  const history = await opened("adminListMigrations");
  const answer = page.waitForResponse((each) => each.url().includes("/api/admin/v1/migrations"));
  await history.getByRole("button", { name: "Execute" }).click();
  assert.equal((await answer).status(), 200);
  await history.locator(".live-responses-table").waitFor();

  step("the dark");
  await page.emulateMedia({ colorScheme: "dark" });
  await page.reload();
  await opened("migrateGroup");
  const background = await page.evaluate(() => getComputedStyle(document.body).backgroundColor);
  assert.notEqual(background, "rgb(255, 255, 255)");
  await readable("the page in the dark");
  await page.screenshot({ path: join(pictures, "docs-dark.png") });

  step("a phone");
  await page.setViewportSize({ width: 360, height: 740 });
  await noSidewaysScroll("the page on a phone");
  await (await opened("registerDevice")).scrollIntoViewIfNeeded();
  await noSidewaysScroll("an open route on a phone");
  await page.screenshot({ path: join(pictures, "docs-phone.png") });

  assert.deepEqual(complaints, []);
} finally {
  await browser.close();
  rmSync(profile, { recursive: true, force: true });
}

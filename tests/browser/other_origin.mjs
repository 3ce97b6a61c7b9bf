// node other_origin.mjs: a page of another origin (PAGE_PORT on localhost) migrates a group in a real
// Chromium, as http.cors_origins allows; a page of an origin that is not among them cannot.
import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import http from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { chromium } from "playwright-core";

const { SERVICE_URL: service, SERVICE_TOKEN: token, PAGE_PORT: port } = process.env;
const profile = mkdtempSync(join(tmpdir(), "regroup-chromium-"));
const pages = http.createServer((_, response) => {
  response.setHeader("Content-Type", "text/html");
  response.end("<!doctype html><title>an app</title>");
});
await new Promise((resolve) => pages.listen(Number(port), "127.0.0.1", resolve));
const browser = await chromium.launchPersistentContext(profile, {
  executablePath: "/usr/bin/chromium",
  args: ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync"],
});
const page = browser.pages()[0];
page.setDefaultTimeout(20_000);

const migrate = () => page.evaluate(async ([url, bearer]) => {
  try {
    const answer = await fetch(url + "/api/v1/groups/migrate", { method: "POST",
      headers: { Authorization: "Bearer " + bearer, "Content-Type": "application/json", "Idempotency-Key": "tap-1",
        "X-Request-Id": "page-1" },
      body: JSON.stringify({ registration_group_id: "camping-2025" }) });
    return { status: answer.status, id: answer.headers.get("X-Request-Id"), location: answer.headers.get("Location"),
      replayed: answer.headers.get("Idempotency-Replayed"), body: await answer.json() };
  } catch (why) {
    return { failed: String(why) };
  }
}, [service, token]);

try {
  await page.goto(`http://127.0.0.1:${port}/`); // the same page, of an origin that is not allowed
  assert.match((await migrate()).failed, /TypeError/);
  await page.goto(`http://localhost:${port}/`);
  const made = await migrate();
  assert.equal(made.status, 201, JSON.stringify(made));
  assert.equal(made.id, "page-1");
  assert.equal(made.location, "/api/v1/groups/migrations/" + made.body.migration_id);
  const again = await migrate();
  assert.equal(again.replayed, "true");
  assert.deepEqual(again.body, made.body);
} finally {
  await browser.close();
  pages.close();
  rmSync(profile, { recursive: true, force: true });
}

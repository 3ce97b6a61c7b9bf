// node expect.mjs URL TOKEN: Node's client waits for `100 Continue` before it sends a body, and needs
// none where it has no token.
import assert from "node:assert/strict";
import http from "node:http";

const [url, token] = process.argv.slice(2);
const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });

function ask(headers) {
  return new Promise((resolve, reject) => {
    let continued = false;
    const request = http.request(url, { method: "POST", agent, timeout: 10_000,
      headers: { "Content-Type": "application/json", Expect: "100-continue", "Content-Length": 40, ...headers } });
    request.on("continue", () => {
      continued = true;
      request.end('{"registration_group_id":"camping-2025"}');
    });
    request.on("response", (response) => {
      response.resume();
      response.on("end", () => { request.destroy(); resolve({ status: response.statusCode, continued }); });
    });
    request.on("timeout", () => reject(new Error("no answer")));
    request.on("error", reject);
    request.flushHeaders();
  });
}

for (let i = 0; i < 2; ++i)
  assert.deepEqual(await ask({ Authorization: "Bearer " + token }), { status: 400, continued: true });
assert.deepEqual(await ask({}), { status: 401, continued: false });
agent.destroy();

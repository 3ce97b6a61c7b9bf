// node build.mjs OUTPUT.cpp: bundles src/ into one script and one style sheet, and writes them as the
// C++ table that http/admin/console.hpp declares. Needs no network.
import { createHash } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const here = fileURLToPath(new URL(".", import.meta.url));
const bundle = await build({
  absWorkingDir: here,
  entryPoints: ["src/main.js"],
  outdir: "out",
  entryNames: "[name]-[hash]",
  bundle: true,
  minify: true,
  write: false,
  format: "esm",
  target: ["es2022"],
  charset: "utf8",
  legalComments: "inline",
  logLevel: "warning",
});

const types = { html: "text/html; charset=utf-8", js: "text/javascript; charset=utf-8", css: "text/css; charset=utf-8" };
const assets = bundle.outputFiles.map((file) => ({ name: file.path.split("/").pop(), text: file.text }));
const named = (kind) => assets.find((asset) => asset.name.endsWith("." + kind)).name;
const page = readFileSync(here + "src/index.html", "utf8")
  .replace("{{css}}", named("css")).replace("{{js}}", named("js"));
assets.unshift({ name: "", text: page });

// A string literal may hold 65,536 characters by the standard; longer ones are written in pieces,
// each cut where no escape is needed.
function literal(text) {
  const delimiter = "r" + createHash("sha256").update(text).digest("hex").slice(0, 12);
  const pieces = [];
  for (let at = 0; at < text.length; at += 12000) pieces.push(text.slice(at, at + 12000));
  return pieces.map((piece) => `R"${delimiter}(${piece})${delimiter}"`).join("\n");
}

const rows = assets.map(({ name, text }) =>
  `    {"${name}", "${types[name.split(".").pop() || "html"]}", ${literal(text)}},`);
writeFileSync(process.argv[2], `#include "http/admin/console.hpp"

#include <array>

namespace regroup::http {

std::span<const ConsoleAsset> console_assets() {
  static constexpr std::array<ConsoleAsset, ${rows.length}> kAssets{{
${rows.join("\n")}
  }};
  return kAssets;
}

} // namespace regroup::http
`);

// node build.mjs OUTPUT.cpp: bundles the pages at /admin (src/) and /docs (docs/) into one script and one
// style sheet each, and writes them as the C++ tables that http/admin/console.hpp declares. Needs no network.
import { createHash } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const here = fileURLToPath(new URL(".", import.meta.url));
const types = { html: "text/html; charset=utf-8", js: "text/javascript; charset=utf-8", css: "text/css; charset=utf-8" };

/// The page first, whose name is empty, then the files that it asks for.
async function assets_of(folder) {
  const bundle = await build({
    absWorkingDir: here,
    entryPoints: [folder + "/main.js"],
    outdir: "out",
    entryNames: "[name]-[hash]",
    bundle: true,
    minify: true,
    write: false,
    format: "esm",
    target: ["es2022"],
    charset: "utf8",
    legalComments: "inline",
    logLevel: "error",
  });
  const assets = bundle.outputFiles.map((file) => ({ name: file.path.split("/").pop(), text: file.text }));
  const named = (kind) => assets.find((asset) => asset.name.endsWith("." + kind)).name;
  const page = readFileSync(here + folder + "/index.html", "utf8")
    .replace("{{css}}", named("css")).replace("{{js}}", named("js"));
  return [{ name: "", text: page }, ...assets];
}

// A string literal may hold 65,536 characters by the standard; longer ones are written in pieces,
// each cut where no escape is needed.
function literal(text) {
  const delimiter = "r" + createHash("sha256").update(text).digest("hex").slice(0, 12);
  const pieces = [];
  for (let at = 0; at < text.length; at += 12000) pieces.push(text.slice(at, at + 12000));
  // A view that knows its length: the compiler gives up counting characters after 262,144.
  return pieces.map((piece) => `R"${delimiter}(${piece})${delimiter}"`).join("\n") + "sv";
}

function table(name, assets) {
  const rows = assets.map(({ name: file, text }) =>
    `    {"${file}", "${types[file.split(".").pop() || "html"]}", ${literal(text)}},`);
  return `std::span<const PageAsset> ${name}() {
  static constexpr std::array<PageAsset, ${rows.length}> kAssets{{
${rows.join("\n")}
  }};
  return kAssets;
}
`;
}

writeFileSync(process.argv[2], `#include "http/admin/console.hpp"

#include <array>
#include <string_view>

namespace regroup::http {

using namespace std::string_view_literals;

${table("console_assets", await assets_of("src"))}
${table("docs_assets", await assets_of("docs"))}
} // namespace regroup::http
`);

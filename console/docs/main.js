// The page at /docs: Swagger UI over /api/openapi.json, with a curl line for each route.
import SwaggerUI from "swagger-ui-dist/swagger-ui-es-bundle.js";
import "swagger-ui-dist/swagger-ui.css";
import "./style.css";

const dark = matchMedia("(prefers-color-scheme: dark)");
const follow = () => document.documentElement.classList.toggle("dark-mode", dark.matches);
dark.addEventListener("change", follow);
follow();

for (const each of document.querySelectorAll("pre code"))
  each.textContent = each.textContent.replace("{{origin}}", location.origin);

const element = (name, ...children) => {
  const made = document.createElement(name);
  made.append(...children);
  return made;
};

/// **bold** and `code`, the Markdown that the descriptions use.
const inline = (text) => text.split(/(\*\*[^*]+\*\*|`[^`]+`)/).map((part) =>
  part.startsWith("**") ? element("strong", part.slice(2, -2))
  : part.startsWith("`") ? element("code", part.slice(1, -1)) : part);

const paragraphs = (markdown) => markdown.trim().split(/\n\s*\n/).map((block) => element("p", ...inline(block)));

const response = await fetch("/api/openapi.json");
const api = await response.json();
document.querySelector("#general").append(...paragraphs(api.info.description));

for (const methods of Object.values(api.paths))
  for (const operation of Object.values(methods)) {
    const [sample] = operation["x-codeSamples"] ?? [];
    if (sample) operation.description = `${operation.description ?? ""}\n\n\`\`\`sh\n${sample.source}\n\`\`\`\n`;
  }
api.servers = [{ url: location.origin }];
api.info = { ...api.info, description: "", summary: "" };

// Swagger UI gives its fields no names, though a parameter's row has one, and its examples scroll for a
// mouse alone.
const nameFields = () => {
  for (const example of document.querySelectorAll("#routes pre:not([tabindex])")) example.tabIndex = 0;
  for (const field of document.querySelectorAll("#routes :is(input, select, textarea):not([aria-label], [id], [type=checkbox])"))
    field.setAttribute("aria-label", field.closest("[data-param-name]")?.dataset.paramName ??
      (field.matches("textarea") ? "Body" : field.closest(".responses-wrapper, .content-type-wrapper, label") ? "Media type" : "Example"));
};
new MutationObserver(nameFields).observe(document.querySelector("#routes"), { childList: true, subtree: true });

SwaggerUI({
  spec: api,
  domNode: document.querySelector("#routes"),
  deepLinking: true,
  docExpansion: "list",
  defaultModelsExpandDepth: 0,
  defaultModelExpandDepth: 2,
  defaultModelRendering: "example",
  displayRequestDuration: true,
  requestSnippetsEnabled: false,
  syntaxHighlight: { activated: false },
  tryItOutEnabled: true,
  persistAuthorization: false,
  validatorUrl: null,
});

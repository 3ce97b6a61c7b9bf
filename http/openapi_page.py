#!/usr/bin/env python3
"""openapi_page.py YAML OUTPUT: writes the answers of `/api/openapi.json` and `/docs` as C++ source.

openapi.yaml is the source. The page is plain HTML without scripts, and requests nothing from other
hosts. Every error response also gets its form as application/problem+json.
"""
import html
import json
import re
import sys

import yaml


def with_problems(node):
    """Adds the schema Problem to every response that may be an Error."""
    if isinstance(node, list):
        return [with_problems(each) for each in node]
    if not isinstance(node, dict):
        return node
    node = {key: with_problems(value) for key, value in node.items()}
    content = node.get("content")
    if isinstance(content, dict):
        schema = content.get("application/json", {}).get("schema", {})
        if schema.get("$ref") == "#/components/schemas/Error":
            content["application/problem+json"] = {
                "schema": {"$ref": "#/components/schemas/Problem"}}
    return node


def text(markdown):
    """Renders the subset of Markdown that the descriptions use."""
    parts = []
    for block in re.split(r"\n\s*\n", (markdown or "").strip()):
        block = html.escape(block)
        block = re.sub(r"`([^`]+)`", r"<code>\1</code>", block)
        block = re.sub(r"\*\*([^*]+)\*\*", r"<strong>\1</strong>", block)
        if re.match(r"[-*] ", block):
            items = re.split(r"^[-*] ", block, flags=re.MULTILINE)[1:]
            block = "<ul>" + "".join(f"<li>{item}</li>" for item in items) + "</ul>"
            parts.append(block)
        elif block:
            parts.append(f"<p>{block}</p>")
    return "".join(parts)


class Page:
    def __init__(self, document):
        self.document = document

    def resolve(self, node):
        while isinstance(node, dict) and "$ref" in node:
            target = self.document
            for step in node["$ref"][2:].split("/"):
                target = target[step.replace("~1", "/").replace("~0", "~")]
            node = target
        return node

    def schema(self, node):
        """A schema in one line: a link if it is named, else its JSON."""
        if "$ref" in node:
            name = node["$ref"].rsplit("/", 1)[1]
            return f'<a href="#{html.escape(name)}">{html.escape(name)}</a>'
        short = {key: value for key, value in node.items() if key != "description"}
        return f"<code>{html.escape(json.dumps(short, ensure_ascii=False))}</code>"

    def operation(self, path, method, operation):
        out = [f'<section id="{html.escape(operation.get("operationId", ""))}">'
               f"<h3><b>{method.upper()}</b> <code>{html.escape(path)}</code></h3>"
               f"<p><em>{html.escape(operation.get('summary', ''))}</em></p>"
               + text(operation.get("description"))]
        schemes = [" and ".join(each) or "nobody needs to say who they are"
                   for each in operation.get("security", [])]
        if schemes:
            out.append(f"<p>Who may call: {html.escape(', or '.join(schemes))}.</p>")
        rows = "".join(
            f"<tr><td><code>{html.escape(each['name'])}</code></td><td>{each['in']}</td>"
            f"<td>{self.schema(each.get('schema', {}))}</td><td>{text(each.get('description'))}</td></tr>"
            for each in map(self.resolve, operation.get("parameters", [])))
        if rows:
            out.append(f"<table><tr><th>parameter</th><th>in</th><th>type</th><th></th></tr>{rows}</table>")
        body = self.resolve(operation.get("requestBody", {}))
        for media, content in body.get("content", {}).items():
            out.append(f"<p>Body: <code>{media}</code> {self.schema(content['schema'])}</p>")
        rows = ""
        for status, response in operation.get("responses", {}).items():
            response = self.resolve(response)
            bodies = ", ".join(self.schema(each["schema"])
                               for each in response.get("content", {}).values() if "schema" in each)
            headers = ", ".join(f"<code>{html.escape(name)}</code>"
                                for name in response.get("headers", {}))
            rows += (f"<tr><td>{status}</td><td>{text(response.get('description'))}</td>"
                     f"<td>{bodies}</td><td>{headers}</td></tr>")
        out.append(f"<table><tr><th>status</th><th></th><th>body</th><th>headers</th></tr>{rows}</table></section>")
        return "".join(out)

    def html(self):
        document = self.document
        info = document["info"]
        operations = [(path, method, operation)
                      for path, item in document["paths"].items()
                      for method, operation in item.items()
                      if method in ("get", "put", "post", "delete", "patch", "head", "options")]
        index = "".join(f'<li><a href="#{html.escape(each.get("operationId", ""))}">'
                        f"<b>{method.upper()}</b> <code>{html.escape(path)}</code></a> "
                        f"{html.escape(each.get('summary', ''))}</li>"
                        for path, method, each in operations)
        schemas = "".join(
            f'<section id="{html.escape(name)}"><h3>{html.escape(name)}</h3>'
            f"{text(schema.get('description'))}<pre>"
            f"{html.escape(yaml.safe_dump(schema, sort_keys=False, allow_unicode=True))}</pre></section>"
            for name, schema in document["components"]["schemas"].items())
        return (
            '<!DOCTYPE html><html lang="en"><head><meta charset="utf-8">'
            '<meta name="viewport" content="width=device-width">'
            f"<title>{html.escape(info['title'])}</title><style>"
            "body{font:16px/1.5 system-ui,sans-serif;max-width:72rem;margin:2rem auto;padding:0 1rem}"
            "table{border-collapse:collapse;width:100%}td,th{border:1px solid #8884;padding:.3rem .5rem;"
            "text-align:left;vertical-align:top}td p{margin:0 0 .4rem}pre,code{font-family:monospace}"
            "pre{background:#8881;padding:.8rem;overflow:auto}section{margin:2.5rem 0}"
            "h3{border-bottom:1px solid #8884}:root{color-scheme:light dark}</style></head><body>"
            f"<h1>{html.escape(info['title'])} {html.escape(info['version'])}</h1>"
            f"<p>{html.escape(info.get('summary', ''))}</p>{text(info.get('description'))}"
            '<p>For programs: <a href="/api/openapi.json">/api/openapi.json</a></p>'
            f"<ul>{index}</ul><h2>Requests</h2>"
            + "".join(self.operation(*each) for each in operations)
            + f"<h2>Schemas</h2>{schemas}</body></html>")


def main(source, output):
    with open(source, encoding="utf-8") as file:
        document = with_problems(yaml.safe_load(file))
    literals = {"openapi_json": json.dumps(document, ensure_ascii=False, separators=(",", ":")),
                "openapi_html": Page(document).html()}
    with open(output, "w", encoding="utf-8") as file:
        file.write('#include "http/openapi_page.hpp"\n\nnamespace regroup::http {\n\n')
        for name, value in literals.items():
            file.write(f'std::string_view {name}() {{\n  return R"regroup({value})regroup";\n}}\n\n')
        file.write("} // namespace regroup::http\n")


if __name__ == "__main__":
    main(*sys.argv[1:])

#!/usr/bin/env python3
"""openapi_page.py YAML OUTPUT: writes the answer of `/api/openapi.json` as C++ source.

openapi.yaml is the source. Every error response also gets its form as application/problem+json, and
every operation a curl line.
"""
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


METHODS = ("get", "put", "post", "delete", "patch")
BODY_LIMIT = 60  # characters of a body that go on the line of its header


def example_of(content):
    """The first example of a body, as one line of JSON."""
    examples = list(content.get("examples", {}).values())
    return json.dumps(examples[0]["value"]) if examples else "{}"


def variable(name):
    """`migration_id`: `$MIGRATION_ID`"""
    return "$" + re.sub(r"\W", "_", name).upper()


def curl(path, method, operation):
    """The command that makes the request; $REGROUP, $TOKEN, $API_KEY and ids are variables."""
    url = "$REGROUP" + re.sub(r"{(\w+)}", lambda match: variable(match[1]), path)
    parts = ["curl" + ("" if method == "get" else f" -X {method.upper()}") + f' "{url}"']
    schemes = [name for each in operation.get("security", []) for name in each]
    if schemes[:1] == ["bearer"]:
        parts.append('-H "Authorization: Bearer $TOKEN"')
    elif schemes:
        parts.append('-H "X-API-Key: $API_KEY"')
    body = operation.get("requestBody", {}).get("content", {}).get("application/json")
    if body:
        text = example_of(body).replace("'", "'\\''")
        parts.append("-H 'Content-Type: application/json'" + (" " if len(text) < BODY_LIMIT else " \\\n  ")
                     + f"-d '{text}'")
    return " \\\n  ".join(parts)


def with_commands(document):
    """Adds to each operation the curl line that makes it (read by the page at /docs, and by Redoc
    and Scalar)."""
    for path, item in document["paths"].items():
        for method, operation in item.items():
            if method in METHODS:
                operation["x-codeSamples"] = [{"lang": "Shell", "label": "curl",
                                               "source": curl(path, method, operation)}]
    return document


def main(source, output):
    with open(source, encoding="utf-8") as file:
        document = with_commands(with_problems(yaml.safe_load(file)))
    text = json.dumps(document, ensure_ascii=False, separators=(",", ":"))
    with open(output, "w", encoding="utf-8") as file:
        file.write('#include "http/openapi_page.hpp"\n\nnamespace regroup::http {\n\n'
                   f'std::string_view openapi_json() {{\n  return R"regroup({text})regroup";\n}}\n\n'
                   "} // namespace regroup::http\n")


if __name__ == "__main__":
    main(*sys.argv[1:])

"""A client that knows the API from its document alone: it checks all that it sends and gets against it.

usage: client.py URL < REGISTRATION

Writes a line to stdout when it waits for an event. Ends when it has got a message.
"""

import json
import re
import sys
import urllib.error
import urllib.request
from pathlib import Path

from jsonschema import Draft202012Validator, FormatChecker

DOCUMENT = json.loads((Path(__file__).parents[2] / "openapi/openapi.json").read_text())
OPERATIONS = {
    operation["operationId"]: {"method": method.upper(), "path": path, **operation}
    for path, methods in DOCUMENT["paths"].items()
    for method, operation in methods.items()
}


def check(value, schema, what):
    """Check a value against a schema of the document."""
    whole = {**schema, "components": DOCUMENT["components"]}
    errors = list(Draft202012Validator(whole, format_checker=FormatChecker()).iter_errors(value))
    if errors:
        raise SystemExit(f"{what}: {errors[0].message} at {errors[0].json_path}")


def call(url, operation_id, *, token=None, body=None, query=""):
    """Send one request. Returns the status and the body of the response."""
    operation = OPERATIONS[operation_id]
    head = {}
    if token is not None:
        head["authorization"] = f"Bearer {token}"
    data = None
    if body is not None:
        head["content-type"] = "application/json"
        check(body, operation["requestBody"]["content"]["application/json"]["schema"], f"body of {operation_id}")
        data = json.dumps(body).encode()
    request = urllib.request.Request(
        url + operation["path"] + query, data=data, headers=head, method=operation["method"]
    )
    try:
        with urllib.request.urlopen(request, timeout=60) as response:
            status, media, text = response.status, response.headers.get_content_type(), response.read()
    except urllib.error.HTTPError as error:
        status, media, text = error.code, error.headers.get_content_type(), error.read()
    answer = json.loads(text)
    described = operation["responses"][str(status)]["content"][media]["schema"]
    check(answer, described, f"answer {status} to {operation_id}")
    return status, answer


def check_document():
    """Every schema of the document is one, and Python can read every pattern."""
    for schema in DOCUMENT["components"]["schemas"].values():
        Draft202012Validator.check_schema(schema)
    for pattern in patterns(DOCUMENT):
        re.compile(pattern)


def patterns(node):
    """Every regular expression below a node."""
    if isinstance(node, dict):
        if isinstance(node.get("pattern"), str):
            yield node["pattern"]
        for value in node.values():
            yield from patterns(value)
    elif isinstance(node, list):
        for value in node:
            yield from patterns(value)


def expect(found, expected):
    if found != expected:
        raise SystemExit(f"expected {expected}, found {found}")


def main(url, registration):
    check_document()
    username, password = registration["username"], registration["password"]
    expect(call(url, "register", body=registration)[0], 201)
    credentials = {"username": username, "password": password, "deviceId": registration["device"]["id"]}
    status, problem = call(url, "logIn", body={**credentials, "password": password + "!"})
    expect((status, problem["type"]), (401, "/problems/invalid-credentials"))
    status, session = call(url, "logIn", body=credentials)
    expect(status, 200)
    token = session["accessToken"]
    expect(call(url, "getMe", token=token)[1]["user"]["username"], username)
    expect(call(url, "listConversations", token=token)[1]["items"], [])

    print("waits", flush=True)
    cursor, messages = "0", []
    while not messages:
        query = f"?after={cursor}&wait=30"
        page = call(url, "getEventPage", token=token, query=query)[1]
        cursor = page["cursor"]
        messages = [item["data"] for item in page["items"] if item["event"] == "message"]
    conversations = call(url, "listConversations", token=token)[1]["items"]
    expect([item["id"] for item in conversations], [messages[0]["conversationId"]])


if __name__ == "__main__":
    main(sys.argv[1], json.load(sys.stdin))

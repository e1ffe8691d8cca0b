"""Drives `kvops proxy` with other people's clients, each the child of a `kvops proxy exec` of its own,
and its OpenAPI document with schemathesis. Started by scripts/proxy-clients inside `kvops lab exec`.
Ends with `N passed, N failed` and exits 1 if anything failed or was not tried."""

import json
import os
import subprocess
import sys
import tempfile
import urllib.parse

HERE = os.path.dirname(os.path.abspath(__file__))
CLIENTS = os.environ["KVOPS_CLIENTS"]
KVOPS = os.environ["KVOPS_BINARY"]
PYTHON = f"{CLIENTS}/proxy/bin/python"
SIGNER = "payments-signer"  # the application of the lab's profile

SHAPES = ("app-service", "imds", "cloud-shell")
# Each client with what it owes in each shape that it knows.
OWED = {
    "azure-identity": {"app-service": 4, "imds": 4, "cloud-shell": 2},
    "msal": {"app-service": 2, "imds": 2},
    "@azure/identity": {"app-service": 4, "imds": 4, "cloud-shell": 1},
    "@azure/msal-node": {shape: 2 for shape in SHAPES},
}

# The protocols by hand, as documentation shows them. `-f` makes a refusal an exit code.
CURL = {
    "app-service": 'curl -fsS "$IDENTITY_ENDPOINT?api-version=2019-08-01&resource=$LAB_GRAPH_URL" -H "X-IDENTITY-HEADER: $IDENTITY_HEADER"',
    "imds": 'curl -fsS "$AZURE_POD_IDENTITY_AUTHORITY_HOST/metadata/identity/oauth2/token?api-version=2018-02-01&resource=$LAB_GRAPH_URL" -H "Metadata: true"',
    "cloud-shell": 'curl -fsS "$MSI_ENDPOINT" --data-urlencode "resource=$LAB_GRAPH_URL" -H "Metadata: true"',
}


def main():
    settings = environment()
    app = settings["PROXY_APP"]
    results = []
    for shape in SHAPES:
        results += driver(shape, [PYTHON, f"{HERE}/proxy_python.py", shape], settings)
        results += driver(shape, ["node", f"{HERE}/proxy_node.mjs", shape], settings)
        results.append(tokens_app(f"curl as {shape}", shape, ["sh", "-c", CURL[shape]], app, settings))
    rust = f"{os.path.dirname(KVOPS)}/examples/managed_identity"
    results.append(tokens_app("azure_identity for Rust", "app-service", [rust, settings["LAB_GRAPH_URL"]], app, settings))
    snippet = 'eval "$(curl -fsS "$KVOPS_PROXY_URL/api/Token/curl" -H "X-Kvops-Key: $KVOPS_PROXY_KEY")"'
    results.append(tokens_app("the snippet for curl", "all", ["sh", "-c", snippet], app, settings))
    results.append(schemathesis(settings))
    done = {client: sum(1 for each in results if each["client"] == client) for client in {each["client"] for each in results}}
    for client, shapes in OWED.items():
        for shape, owed in shapes.items():
            if done.get(f"{client} as {shape}", 0) != owed:
                results.append({"client": f"{client} as {shape}", "operation": "all of its operations", "ok": False, "fault": "not all were tried"})
    return show(results)


def environment():
    """The lab's variables and its CA for checking tokens; nothing else that a client could sign in with."""
    from lab import GRAPH, fetch
    from run import operator_token

    query = urllib.parse.urlencode({"$filter": f"displayName eq '{SIGNER}'", "$select": "appId"})
    _, found = fetch(f"{GRAPH}/v1.0/applications?{query}", headers=operator_token(f"{GRAPH}/.default"))
    ca = os.environ["LAB_CA"]
    return {**os.environ, "PROXY_APP": found["value"][0]["appId"], "PROBE": "null", "HOME": tempfile.mkdtemp(prefix="kvops-proxy-"),
            "REQUESTS_CA_BUNDLE": ca, "SSL_CERT_FILE": ca, "NODE_EXTRA_CA_CERTS": ca, "NODE_MODULES": f"{CLIENTS}/node/node_modules"}


def inside(shape, command, settings, timeout=300, folder=HERE):
    return subprocess.run([KVOPS, "--quiet", "proxy", "exec", "--identity", shape, "--", *command], env=settings, cwd=folder,
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=timeout)


def driver(shape, command, settings):
    ran = inside(shape, command, settings)
    results = [json.loads(line) for line in ran.stdout.splitlines() if line.startswith("{")]
    if ran.returncode != 0 or not results:
        fault = f"exit {ran.returncode}: {ran.stderr.strip()[-400:]}"
        results.append({"client": f"{os.path.basename(command[1])} {shape}", "operation": "came to its end", "ok": False, "fault": fault})
    return results


def tokens_app(client, shape, command, app, settings):
    """Runs what prints an answer with a token, or the token, and checks whose it is."""
    from lab import check_token

    ran = inside(shape, command, settings)
    result = {"client": client, "operation": "a token", "ok": False}
    try:
        text = ran.stdout.strip()
        check_token(json.loads(text)["access_token"] if text.startswith("{") else text, app_id=app, strength="2")
        return {**result, "ok": True}
    except Exception as error:
        return {**result, "fault": f"exit {ran.returncode}: {type(error).__name__} {error} {ran.stderr[-300:]}"}


def schemathesis(settings):
    """Requests made up from the document, among them malformed ones: no 500, no answer that the document does not have."""
    command = (f'{CLIENTS}/proxy/bin/st run "$KVOPS_PROXY_URL/swagger/v1/swagger.json" --header "X-Kvops-Key: $KVOPS_PROXY_KEY" '
               f'--generation-deterministic --max-examples "${{EXAMPLES:-60}}" --no-color --checks not_a_server_error,status_code_conformance,'
               "content_type_conformance,response_headers_conformance,response_schema_conformance,unsupported_method,ignored_auth")
    ran = inside("all", ["sh", "-c", command], settings, timeout=1800, folder=settings["HOME"])
    with open(f"{CLIENTS}/schemathesis.log", "w") as log:
        log.write(ran.stdout + ran.stderr)
    fault = f"exit {ran.returncode}; see {CLIENTS}/schemathesis.log: {ran.stdout[-600:]}"
    return {"client": "schemathesis", "operation": "keeps to the document", "ok": ran.returncode == 0, "fault": fault}


def show(results):
    for result in results:
        fault = "" if result["ok"] else f": {result['fault']}"
        print(f"{'ok  ' if result['ok'] else 'FAIL'}  {result['client']}: {result['operation']}{fault}")
    failed = sum(1 for result in results if not result["ok"])
    print(f"{len(results) - failed} passed, {failed} failed")
    return 1 if failed or not results else 0


if __name__ == "__main__":
    sys.exit(main())

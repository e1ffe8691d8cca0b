"""Drives a lab with other people's clients, each in a process of its own, and prints what worked.

Started by scripts/clients inside `kvops lab exec`. Ends with `N passed, N failed` and exits 1 if
anything failed, if a driver did not come to its end, or if it left out an operation it owes."""

import base64
import concurrent.futures
import datetime
import hashlib
import json
import os
import socket
import subprocess
import sys
import tempfile
import urllib.parse

HERE = os.path.dirname(os.path.abspath(__file__))
CLIENTS = os.environ["KVOPS_CLIENTS"]  # where scripts/clients installed them
SDK_PYTHON = f"{CLIENTS}/sdk/bin/python"

CREATE, READ, LIST, SIGN, VERIFY = "create certificate", "read", "list", "sign", "verify"
APP_READ, APP_WRITE = "application read", "application write"
BY_SECRET, BY_CERTIFICATE, BY_VAULT = "token by secret", "token by certificate", "token by vault key"
COLUMNS = (CREATE, READ, LIST, SIGN, VERIFY, APP_READ, APP_WRITE, BY_SECRET, BY_CERTIFICATE, BY_VAULT)
TOKENS = (BY_SECRET, BY_CERTIFICATE, BY_VAULT)

# What each client owes. A driver may do more; the table then counts that under "more".
OWED = {
    "azure-cli": COLUMNS,
    "azure-identity": TOKENS,
    "azure-keyvault-certificates": (CREATE, READ, LIST),
    "azure-keyvault-keys": (READ, LIST, SIGN, VERIFY),
    "msal": TOKENS,
    "msgraph-sdk": (APP_READ, APP_WRITE),
    "@azure/identity": TOKENS,
    "@azure/keyvault-certificates": (CREATE, READ, LIST),
    "@azure/keyvault-keys": (READ, LIST, SIGN, VERIFY),
    "@azure/msal-node": TOKENS,
    "@microsoft/microsoft-graph-client": (APP_READ, APP_WRITE),
}
DRIVERS = (
    [SDK_PYTHON, "azure_cli.py"],
    [SDK_PYTHON, "azure_sdk.py"],
    [SDK_PYTHON, "msal_python.py"],
    [SDK_PYTHON, "graph_python.py"],
    ["node", "azure_sdk.mjs"],
    ["node", "msal_node.mjs"],
    ["node", "graph_node.mjs"],
)


def main():
    resolve_the_labs_names()
    wanted = sys.argv[1:]
    drivers = [driver for driver in DRIVERS if not wanted or any(word in driver[1] for word in wanted)]
    with tempfile.TemporaryDirectory(prefix="kvops-clients-") as folder:
        settings = environment(folder)
        settings["PROBE"] = json.dumps(make_probe(folder))
        with concurrent.futures.ThreadPoolExecutor(max_workers=2) as pool:
            runs = list(pool.map(lambda driver: run(driver, settings), drivers))
    results = [result for run in runs for result in run]
    if not wanted:
        done = {(result["client"], result["operation"]) for result in results}
        results += [{"client": client, "operation": operation, "ok": False, "fault": "it was not tried"}
                    for client, owed in OWED.items() for operation in owed if (client, operation) not in done]
    return show(results)


def resolve_the_labs_names():
    """Starts this program again under nss_wrapper where `NAME.vault.localhost` does not resolve."""
    host = urllib.parse.urlparse(os.environ["LAB_VAULT_URL"]).hostname
    try:
        socket.getaddrinfo(host, 443)
        return
    except OSError:
        if "NSS_WRAPPER_HOSTS" in os.environ:
            sys.exit(f"{host} does not resolve, not even under nss_wrapper (Debian: libnss-wrapper)")
    hosts = f"{CLIENTS}/hosts"
    with open(hosts, "w") as file:
        file.write(f"127.0.0.1 localhost {host}\n")
    os.environ.update(LD_PRELOAD="libnss_wrapper.so", NSS_WRAPPER_HOSTS=hosts)
    os.execv(sys.executable, [sys.executable, *sys.argv])


def environment(folder):
    """The drivers' environment: the lab's CA for every stack, and no setting that a client could
    sign in with by itself or be led elsewhere by."""
    ca = os.environ["LAB_CA"]
    misleading = ("AZURE_", "KVOPS_", "SSL_CERT_DIR", "ARM_", "MSI_", "IDENTITY_")
    settings = {name: value for name, value in os.environ.items()
                if not name.startswith(misleading) and not name.lower().endswith("_proxy")}
    return {**settings, "REQUESTS_CA_BUNDLE": ca, "SSL_CERT_FILE": ca, "NODE_EXTRA_CA_CERTS": ca, "HOME": folder,
            "AZ_PYTHON": f"{CLIENTS}/az/bin/python", "NODE_MODULES": f"{CLIENTS}/node/node_modules",
            "PYTHONDONTWRITEBYTECODE": "1", "PYTHONUNBUFFERED": "1"}


def make_probe(folder):
    """An application with two certificates, one whose key is on disk and one whose key is in the
    vault, made over plain HTTPS so that it owes nothing to a client under test."""
    from lab import GRAPH, VAULT, b64url_decode, fetch, thumbprint

    pem, pfx, pem_alone, der = local_certificate(folder)
    graph, vault = operator_token(f"{GRAPH}/.default"), operator_token(vault_scope(VAULT))
    made = create_in_vault(VAULT, "clients-probe", vault)
    vault_der = base64.b64decode(made["cer"])
    _, app = fetch(f"{GRAPH}/v1.0/applications", data={"displayName": "clients-probe"}, headers=graph)
    fetch(f"{GRAPH}/v1.0/servicePrincipals", data={"appId": app["appId"]}, headers=graph)
    keys = [{"type": "AsymmetricX509Cert", "usage": "Verify", "key": base64.b64encode(each).decode()}
            for each in (der, vault_der)]
    fetch(f"{GRAPH}/v1.0/applications/{app['id']}", method="PATCH", data={"keyCredentials": keys}, headers=graph)
    assert b64url_decode(made["x5t"]) == hashlib.sha1(vault_der).digest()
    return {"app_id": app["appId"], "object_id": app["id"], "pem": pem, "pfx": pfx, "pfx_password": "probe",
            "certificate_pem": pem_alone, "certificate": base64.b64encode(der).decode(), "thumbprint": thumbprint(der),
            "vault_name": "clients-probe", "vault_version": made["kid"].rsplit("/", 1)[1],
            "vault_certificate": made["cer"], "vault_thumbprint": thumbprint(vault_der)}


def local_certificate(folder):
    """A fresh certificate with its key: (PEM of both, PFX, PEM of the certificate, DER)."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import rsa
    from cryptography.hazmat.primitives.serialization import pkcs12

    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "clients-probe on disk")])
    now = datetime.datetime.now(datetime.timezone.utc)
    certificate = (x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
                   .serial_number(x509.random_serial_number()).not_valid_before(now - datetime.timedelta(minutes=5))
                   .not_valid_after(now + datetime.timedelta(days=90)).sign(key, hashes.SHA256()))
    encoding, plain = serialization.Encoding, serialization.NoEncryption()
    alone = certificate.public_bytes(encoding.PEM)
    files = {
        "probe.pem": key.private_bytes(encoding.PEM, serialization.PrivateFormat.PKCS8, plain) + alone,
        "probe.pfx": pkcs12.serialize_key_and_certificates(b"probe", key, certificate, None,
                                                           serialization.BestAvailableEncryption(b"probe")),
        "probe-certificate.pem": alone,
    }
    for name, content in files.items():
        with open(os.open(f"{folder}/{name}", os.O_WRONLY | os.O_CREAT, 0o600), "wb") as file:
            file.write(content)
    return *(f"{folder}/{name}" for name in files), certificate.public_bytes(encoding.DER)


def operator_token(scope):
    from lab import CLIENT_ID, CLIENT_SECRET, TOKEN_ENDPOINT, fetch

    form = {"grant_type": "client_credentials", "client_id": CLIENT_ID, "client_secret": CLIENT_SECRET, "scope": scope}
    _, answer = fetch(TOKEN_ENDPOINT, data=urllib.parse.urlencode(form).encode())
    return {"Authorization": f"Bearer {answer['access_token']}"}


def vault_scope(vault):
    return f"https://{vault.removeprefix('https://').split('.', 1)[1]}/.default"


def create_in_vault(vault, name, authorization):
    from lab import fetch

    version = "api-version=2025-07-01"
    policy = {"issuer": {"name": "Self"}, "key_props": {"kty": "RSA", "key_size": 2048, "exportable": False, "reuse_key": False},
              "x509_props": {"subject": f"CN={name}", "key_usage": ["digitalSignature"], "validity_months": 12}}
    fetch(f"{vault}/certificates/{name}/create?{version}", data={"policy": policy}, headers=authorization)
    for _ in range(60):
        _, operation = fetch(f"{vault}/certificates/{name}/pending?{version}", headers=authorization)
        if operation["status"] == "completed":
            _, made = fetch(f"{vault}/certificates/{name}/?{version}", headers=authorization)
            return made
    raise AssertionError(f"the certificate is still {operation['status']} after 60 looks")


def run(driver, settings):
    """One driver's results, and one more for how it ended."""
    program, script = driver
    client = script
    ended = {"client": client, "operation": "came to its end", "ok": True}
    try:
        done = subprocess.run([program, f"{HERE}/{script}"], env=settings, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                              text=True, timeout=900, cwd=HERE)
    except subprocess.TimeoutExpired as late:
        return [{**ended, "ok": False, "fault": f"still running after {late.timeout:.0f} s"}]
    with open(f"{CLIENTS}/{script}.log", "w") as log:
        log.write(done.stdout + done.stderr)
    results = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    if done.returncode != 0:
        last = (done.stderr.strip().splitlines() or ["no word why"])[-1]
        results.append({**ended, "ok": False, "fault": f"exit {done.returncode}: {last}"})
    return results


def show(results):
    clients = list(dict.fromkeys(result["client"] for result in results))
    width = max(len(client) for client in clients)
    print(f"{'':{width}}  " + "  ".join(COLUMNS) + "  more")
    for client in clients:
        own = [result for result in results if result["client"] == client]
        cells = []
        for column in COLUMNS:
            hits = [result["ok"] for result in own if result["operation"] == column]
            cells.append(("ok" if all(hits) else "FAIL") if hits else "-")
        more = [result["ok"] for result in own if result["operation"] not in COLUMNS]
        last = f"{sum(more)} ok" + (f", {len(more) - sum(more)} FAIL" if not all(more) else "") if more else "-"
        print(f"{client:{width}}  " + "  ".join(f"{cell:{len(name)}}" for cell, name in zip(cells, COLUMNS)) + f"  {last}")
    failed = [result for result in results if not result["ok"]]
    for result in failed:
        print(f"FAIL  {result['client']}  {result['operation']}: {result['fault']}")
    print(f"{len(results) - len(failed)} passed, {len(failed)} failed")
    return 1 if failed or not results else 0


if __name__ == "__main__":
    sys.exit(main())

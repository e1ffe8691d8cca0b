"""Measures `kvops token` against a running lab; started by scripts/bench-token. Exits 1 when a token
takes more calls than it should: those are counted, not timed, and so never a matter of luck."""

import base64
import hashlib
import http.client
import importlib.util
import json
import os
import socket
import ssl
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.parse

from lab import AUTHORITY
from lab import CLIENT_ID
from lab import CLIENT_SECRET
from lab import GRAPH_SCOPE
from lab import TENANT
from lab import VAULT
from lab import assertion
from lab import b64url
from lab import b64url_decode
from lab import fetch
from run import environment
from run import make_probe
from run import resolve_the_labs_names
from run import vault_scope

KVOPS = os.environ["KVOPS_BINARY"]
CONTROL = os.environ["LAB_CONTROL_URL"].rstrip("/")
LATENCY_MS = 20
RUNS = 15
# What kvops runs in. It resolves the lab's names itself, with a cloud it would ask nobody for the
# time, and roots that this machine happens to name are no part of the job.
OURS = {name: value for name, value in os.environ.items()
        if name not in ("LD_PRELOAD", "NSS_WRAPPER_HOSTS", "KVOPS_CLOCK", "SSL_CERT_FILE", "SSL_CERT_DIR")}


def main():
    resolve_the_labs_names()
    with tempfile.TemporaryDirectory(prefix="kvops-bench-") as folder:
        probe = make_probe(folder)
        settings = {**environment(folder), "PROBE": json.dumps(probe)}
        within = count_calls(probe)
        time_the_path(probe)
        compare_processor_time(probe, settings)
    measure_the_start()
    return 0 if within else 1


def kvops_token(probe, *, by_name):
    """`kvops token` in its two-call form, or by the certificate's name with one call more."""
    key = ["--name", probe["vault_name"], "--vault", VAULT] if by_name else [
        "--key-id", f"{VAULT}/keys/{probe['vault_name']}/{probe['vault_version']}",
        "--thumbprint", b64url(hashlib.sha256(base64.b64decode(probe["vault_certificate"])).digest())]
    return [KVOPS, "token", "--app", probe["app_id"], *key, "--scope", GRAPH_SCOPE, "--output", "json"]


def count_calls(probe):
    within = True
    for by_name, bound in ((False, {"entra": 2, "keyvault": 1}), (True, {"entra": 2, "keyvault": 2})):
        control("DELETE", "/requests")
        run(kvops_token(probe, by_name=by_name))
        requests = control("GET", "/requests")
        per_service = {name: sum(1 for each in requests if each["service"] == name) for name in bound}
        stray = [each for each in requests if each["service"] not in bound]
        good = not stray and all(per_service[name] <= most for name, most in bound.items())
        within = within and good
        form = "by name" if by_name else "by key id and thumbprint"
        calls = ", ".join(f"{each['method']} {each['path']} {each['status']}" for each in requests)
        print(f"calls, {form}: {'ok' if good else 'TOO MANY'}: {calls}")
    return within


def time_the_path(probe):
    control("PUT", "/latency", {"ms": LATENCY_MS})
    try:
        critical = statistics.median(critical_path(probe) for _ in range(RUNS))
        whole = statistics.median(run(kvops_token(probe, by_name=False))[0] for _ in range(RUNS))
    finally:
        control("PUT", "/latency", {"ms": 0})
    print(f"critical path with {LATENCY_MS} ms per request (connect, vault token, sign, exchange): {critical * 1000:.1f} ms")
    print(f"kvops token, cold process: {whole * 1000:.1f} ms = {whole / critical:.2f} of it (target 1.15), "
          f"median of {RUNS}")


def critical_path(probe):
    """The three calls that wait for one another, on bare connections; the vault's connection is opened
    beforehand, since it need not wait for anything."""
    vault = connect(VAULT)
    began = time.perf_counter()
    entra = connect(AUTHORITY)
    token = post_form(entra, {"client_id": CLIENT_ID, "client_secret": CLIENT_SECRET, "scope": vault_scope(VAULT)})
    spent = time.perf_counter() - began

    def sign(digest):
        nonlocal spent
        again = time.perf_counter()
        path = f"/keys/{probe['vault_name']}/{probe['vault_version']}/sign?api-version=2025-07-01"
        body = json.dumps({"alg": "PS256", "value": b64url(digest)})
        vault.request("POST", path, body, {"Authorization": f"Bearer {token}", "Content-Type": "application/json"})
        signature = b64url_decode(json.loads(vault.getresponse().read())["value"])
        spent += time.perf_counter() - again
        return signature

    signed = assertion(base64.b64decode(probe["vault_certificate"]), sign, app_id=probe["app_id"])
    again = time.perf_counter()
    post_form(entra, {"client_id": probe["app_id"], "client_assertion": signed, "scope": GRAPH_SCOPE,
                      "client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"})
    return spent + time.perf_counter() - again


def compare_processor_time(probe, settings):
    ours = statistics.mean(run(kvops_token(probe, by_name=False))[1] for _ in range(RUNS))
    print(f"processor time of kvops token: {ours * 1000:.1f} ms, mean of {RUNS}")
    if importlib.util.find_spec("msal") is None:
        print("processor time in Python: not measured (run scripts/clients once: it installs MSAL and the Azure SDK)")
        return
    script = [sys.executable, os.path.join(os.path.dirname(os.path.abspath(__file__)), "python_token.py")]
    run(script, settings)  # once for the file system's sake
    theirs = statistics.mean(run(script, settings)[1] for _ in range(5))
    print(f"processor time of the same job in Python with MSAL and the Azure SDK: {theirs * 1000:.0f} ms, mean of 5: "
          f"{theirs / ours:.0f} times as much (target 20)")


def measure_the_start():
    version = [KVOPS, "--version"]
    print(f"kvops --version: {statistics.median(run(version)[0] for _ in range(50)) * 1000:.1f} ms (target 5), "
          f"{resident(version):.1f} MiB resident (target 15), median of 50")


def run(command, settings=None):
    """Runs a command to its end: (seconds, seconds of processor time)."""
    began = time.perf_counter()
    child = subprocess.Popen(command, env=settings or OURS, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    out, err = child.stdout.read(), child.stderr.read()
    _, status, usage = os.wait4(child.pid, 0)
    wall = time.perf_counter() - began
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode != 0:
        sys.exit(f"{' '.join(command[:2])}: exit {child.returncode}\n{(out + err).decode()}")
    return wall, usage.ru_utime + usage.ru_stime


def resident(command):
    """Peak MiB resident. A child's peak begins with that of the process that started it, so a bare
    interpreter starts it, which is smaller than this one."""
    starter = ("import os, sys; quiet = [(os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0)]; "
               "child = os.posix_spawn(sys.argv[1], sys.argv[1:], os.environ, file_actions=quiet); "
               "print(os.wait4(child, 0)[2].ru_maxrss)")
    return int(subprocess.check_output([sys.executable, "-ISc", starter, *command], env=OURS)) / 1024


def connect(url):
    parts = urllib.parse.urlparse(url)
    context = ssl.create_default_context(cafile=os.environ["LAB_CA"])
    connection = http.client.HTTPSConnection(parts.hostname, parts.port, context=context, timeout=30)
    connection.connect()
    connection.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return connection


def post_form(connection, form):
    body = urllib.parse.urlencode({"grant_type": "client_credentials", **form})
    connection.request("POST", f"/{TENANT}/oauth2/v2.0/token", body, {"Content-Type": "application/x-www-form-urlencoded"})
    answer = json.loads(connection.getresponse().read())
    if "access_token" not in answer:
        sys.exit(f"no token: {answer}")
    return answer["access_token"]


def control(method, path, body=None):
    return fetch(f"{CONTROL}{path}", method=method, data=body)[1]


if __name__ == "__main__":
    sys.exit(main())

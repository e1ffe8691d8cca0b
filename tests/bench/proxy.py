"""Measures `kvops proxy` beside the same endpoint in Node with MSAL and the Azure SDK: one load
generator, one lab, one run. Started by scripts/bench-proxy inside `kvops lab exec`."""

import concurrent.futures
import contextlib
import http.client
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.parse

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "clients"))
os.environ.setdefault("PROBE", "null")

from lab import GRAPH, GRAPH_SCOPE, TENANT, VAULT, fetch  # noqa: E402
from run import create_in_vault, operator_token, resolve_the_labs_names, vault_scope  # noqa: E402

KVOPS = os.environ["KVOPS_BINARY"]
CLIENTS = os.environ["KVOPS_CLIENTS"]
CONNECTIONS = 64
SECONDS = int(os.environ.get("BENCH_SECONDS", "15"))
MILLION = int(os.environ.get("BENCH_REQUESTS", "1000000"))
UNCACHED, AT_ONCE = 200, 16
LATENCY_MS = 20
NAME = "bench-proxy"
TICK = os.sysconf("SC_CLK_TCK")


def main():
    resolve_the_labs_names()
    apps = make_applications()
    cached, paced, memory = {}, {}, []
    uncached = {}
    control("PUT", "/latency", {"ms": LATENCY_MS})
    for name, start in (("kvops", kvops), ("Node", node)):
        with tempfile.TemporaryDirectory(prefix="kvops-bench-") as folder, start(apps, folder) as server:
            ask(server, apps[0])  # whatever is opened once
            uncached[name] = many_tokens(server, apps[1:])
            generate(server, apps[0], 2)
            cached[name] = generate(server, apps[0], SECONDS)
            paced[name] = generate(server, apps[0], SECONDS, pause=1)
            if name == "kvops":
                memory = flatness(server, apps[0], cached[name])
    show(cached, paced, uncached, memory)
    return 0 if cached["kvops"]["refused"] == cached["kvops"]["broken"] == 0 else 1


def make_applications():
    """Applications that trust one certificate in the vault: each a token that nobody has asked for."""
    graph, vault = operator_token(f"{GRAPH}/.default"), operator_token(vault_scope(VAULT))
    made = create_in_vault(VAULT, NAME, vault)
    key = {"type": "AsymmetricX509Cert", "usage": "Verify", "key": made["cer"]}

    def register(number):
        _, app = fetch(f"{GRAPH}/v1.0/applications", data={"displayName": f"{NAME}-{number}", "keyCredentials": [key]}, headers=graph)
        fetch(f"{GRAPH}/v1.0/servicePrincipals", data={"appId": app["appId"]}, headers=graph)
        return app["appId"]

    return [register(number) for number in range(UNCACHED + 1)]


class Server:
    def __init__(self, process, url, key):
        self.process, self.url, self.key = process, urllib.parse.urlparse(url), key

    def seconds(self):
        with open(f"/proc/{self.process.pid}/stat") as stat:
            fields = stat.read().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / TICK

    def resident(self):
        with open(f"/proc/{self.process.pid}/status") as status:
            return next(int(line.split()[1]) for line in status if line.startswith("VmRSS")) / 1024


@contextlib.contextmanager
def served(command, environment):
    """A server on a processor of its own, which says on its first line where it is."""
    process = subprocess.Popen(["taskset", "-c", "0", *command], env=environment, stdout=subprocess.PIPE, text=True)
    try:
        ready = json.loads(process.stdout.readline())
        yield Server(process, ready["listening"], ready.get("key", ""))
    finally:
        process.terminate()
        process.wait(timeout=30)


def kvops(apps, folder):
    profiles = "".join(f'[proxy.profiles.p{number}]\napp = "{app}"\ntenant = "{TENANT}"\nvault = "{VAULT}"\n'
                       f'certificate = "{NAME}"\nscopes = ["*"]\n\n' for number, app in enumerate(apps))
    with open(os.environ["KVOPS_CONFIG"]) as config:
        profiles += config.read().replace('"ca.pem"', json.dumps(os.environ["LAB_CA"]))
    with open(f"{folder}/kvops.toml", "w") as config:
        config.write(profiles)
    environment = {**os.environ, "KVOPS_CONFIG": f"{folder}/kvops.toml", "HOME": folder}
    return served([KVOPS, "--quiet", "proxy", "--port", "0", "--output", "json"], environment)


def node(_apps, _folder):
    environment = {**os.environ, "NODE_EXTRA_CA_CERTS": os.environ["LAB_CA"], "NODE_MODULES": f"{CLIENTS}/node/node_modules",
                   "NODE_ENV": "production"}
    return served(["node", f"{HERE}/proxy_server.mjs"], environment)


def body(app):
    return json.dumps({"clientId": app, "tenantId": TENANT, "scopes": [GRAPH_SCOPE], "keyVaultUri": VAULT, "certificateName": NAME})


def ask(server, app):
    """One token, on a connection of its own: seconds."""
    connection = http.client.HTTPConnection(server.url.hostname, server.url.port, timeout=60)
    began = time.perf_counter()
    connection.request("POST", "/api/Token/kv-certificate", body(app), {"Content-Type": "application/json", "X-Kvops-Key": server.key})
    answer = connection.getresponse()
    text = answer.read()
    if answer.status != 200:
        sys.exit(f"{answer.status}: {text[:500].decode()}")
    return time.perf_counter() - began


def many_tokens(server, apps):
    """Tokens that nobody has asked for before, so many at once."""
    began, worked = time.perf_counter(), server.seconds()
    with concurrent.futures.ThreadPoolExecutor(max_workers=AT_ONCE) as pool:
        times = sorted(pool.map(lambda app: ask(server, app), apps))
    took = time.perf_counter() - began
    return {"rate": len(apps) / took, "p50": statistics.median(times) * 1000, "p99": times[int(len(times) * 0.99)] * 1000,
            "cpu": (server.seconds() - worked) / len(apps) * 1e3}


def generate(server, app, seconds, pause=0):
    """One token, as often as wrk can ask for it; each connection waits so many milliseconds in between."""
    environment = {**os.environ, "BENCH_BODY": body(app), "BENCH_KEY": server.key, "BENCH_PAUSE": str(pause)}
    worked = server.seconds()
    command = ["taskset", "-c", "1", "wrk", "-t1", f"-c{CONNECTIONS}", f"-d{seconds}s", "--latency", "-s", f"{HERE}/proxy.lua",
               f"http://{server.url.netloc}"]
    said = subprocess.check_output(command, env=environment, text=True).strip().splitlines()[-1]
    row = json.loads(said)
    return {**row, "rate": row["requests"] / row["us"] * 1e6, "cpu": (server.seconds() - worked) / row["requests"] * 1e6,
            "resident": server.resident()}


def flatness(server, app, before):
    """Resident memory after each fifth of a million requests."""
    done, seen = before["requests"], [(before["requests"], server.resident())]
    while done < MILLION:
        left = MILLION - done
        step = generate(server, app, max(1, round(min(MILLION / 5, left) / before["rate"])))
        done += step["requests"]
        seen.append((done, server.resident()))
    return seen


def show(cached, paced, uncached, memory):
    for rows, pauses in (cached, "without a pause"), (paced, "each pausing for 1 ms after an answer"):
        print(f"cached token, {CONNECTIONS} connections {pauses}, server on one processor, wrk on another, {SECONDS} s")
        for name, row in rows.items():
            print(f"  {name:6} {row['rate']:9.0f} requests/s   p50 {row['p50']:.2f} ms   p99 {row['p99']:.2f} ms   {row['cpu']:.0f} µs of "
                  f"processor time each   {row['resident']:.0f} MiB   {row['refused']} refused, {row['broken']} broken")
    print(f"  ratio  {cached['kvops']['rate'] / cached['Node']['rate']:.1f}")
    print(f"uncached, {UNCACHED} tokens, {AT_ONCE} at once, {LATENCY_MS} ms per request to vault and Entra")
    for name, row in uncached.items():
        print(f"  {name:6} {row['rate']:9.1f} tokens/s   p50 {row['p50']:.0f} ms   p99 {row['p99']:.0f} ms   {row['cpu']:.1f} ms of processor time each")
    print("memory of kvops: " + ", ".join(f"{resident:.1f} MiB after {done:,}" for done, resident in memory))


def control(method, path, given):
    fetch(f"{os.environ['LAB_CONTROL_URL']}{path}", method=method, data=given)


if __name__ == "__main__":
    sys.exit(main())

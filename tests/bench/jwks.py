"""Measures `kvops jwks serve` in a lab that keeps the budgets of the real vault: signatures a second through
POST /sign, what that costs in calls of the vault, and how long the published keys take from the cache. Started
by scripts/bench-jwks. Exits 1 when more is asked of the vault than one call for each signature and one reading
in each 30 seconds, when the vault turns away more than one signature in a thousand, when less than 80 % of its
budget is used, or when the cache takes more than a millisecond."""

import http.client
import json
import os
import statistics
import subprocess
import sys
import threading
import time
import urllib.parse
import urllib.request

KVOPS = os.environ["KVOPS_BINARY"]
WHICH = ["--vault", "contoso-kv", "--name", "signer", "--issuer", "https://tokens.contoso.example"]
# What a vault grants for the key that `kvops provision` makes, RSA 3072: 1,000 signatures in ten seconds.
BUDGET = 100
SECONDS, CALLERS, READS = float(os.environ.get("BENCH_SECONDS", "20")), 16, 2_000


def main():
    subprocess.run([KVOPS, "provision", "--vault-only", *WHICH[:4], "-o", "json"], check=True, stdout=subprocess.DEVNULL)
    control("PATCH", "/settings", {"budgets": True})
    # The server waits by the machine's clock, as it would for a real vault.
    settings = {name: value for name, value in os.environ.items() if name != "KVOPS_CLOCK"}
    command = [KVOPS, "jwks", "serve", *WHICH, "--port", "0", "-o", "json", "-q"]
    server = subprocess.Popen(command, env=settings, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    try:
        ready = json.loads(server.stdout.readline())
        port = urllib.parse.urlparse(ready["listening"]).port
        return report(sign(port, ready["key"]), read(port))
    finally:
        server.terminate()
        server.wait()


def sign(port, key):
    before, ends, answers = control("GET", "/counts"), time.monotonic() + SECONDS, []
    headers = {"authorization": f"Bearer {key}", "content-type": "application/json"}

    def ask():
        connection = http.client.HTTPConnection("127.0.0.1", port)
        while time.monotonic() < ends:
            started = time.monotonic()
            connection.request("POST", "/sign", json.dumps({"audience": "orders", "claims": {"sub": "x"}}), headers)
            answer = connection.getresponse()
            answer.read()
            answers.append((answer.status, time.monotonic() - started))

    callers = [threading.Thread(target=ask) for _ in range(CALLERS)]
    started = time.monotonic()
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join()
    after = control("GET", "/counts")
    good = [took for status, took in answers if status == 200]
    return {
        "seconds": time.monotonic() - started,
        "signed": len(good),
        "refused": len(answers) - len(good),
        "times": good,
        "signatures": after["sign"] - before["sign"],
        "readings": route(after, "versions") - route(before, "versions"),
        "throttled": after["statuses"].get("429", 0) - before["statuses"].get("429", 0),
        "secrets": after["secrets"],
    }


def read(port):
    connection, times = http.client.HTTPConnection("127.0.0.1", port), []
    for _ in range(READS):
        started = time.monotonic()
        connection.request("GET", "/jwks.json")
        connection.getresponse().read()
        times.append(time.monotonic() - started)
    return times


def report(signing, reading):
    rate = signing["signed"] / signing["seconds"]
    print(f"signed      {signing['signed']} in {signing['seconds']:.1f} s with {CALLERS} callers: {rate:.0f}/s of {BUDGET}/s")
    print(f"            p50 {middle(signing['times'], 50):.1f} ms, p99 {middle(signing['times'], 99):.1f} ms,"
          f" {signing['refused']} told to come again")
    print(f"vault       {signing['signatures']} signatures, {signing['throttled']} of them turned away;"
          f" {signing['readings']} readings of the versions; {signing['secrets']} of secrets")
    print(f"from cache  p50 {middle(reading, 50):.2f} ms, p99 {middle(reading, 99):.2f} ms over {len(reading)} reads")
    faults = []
    if signing["signatures"] > signing["signed"] + signing["throttled"] + CALLERS:
        faults.append("more signatures were asked for than tokens made")
    if signing["readings"] > SECONDS / 30 + 1:
        faults.append("the versions were read too often")
    if signing["throttled"] > signing["signatures"] / 1000:
        faults.append("the vault had to turn signatures away")
    if rate < 0.8 * BUDGET:
        faults.append(f"the vault grants {BUDGET}/s")
    if signing["secrets"]:
        faults.append("secrets were asked for")
    if middle(reading, 50) > 1:
        faults.append("the cache takes more than a millisecond")
    for fault in faults:
        print(f"MISSED: {fault}")
    return 1 if faults else 0


def middle(times, percent):
    return statistics.quantiles(times, n=100)[percent - 1] * 1000


def route(counts, part):
    return sum(number for route, number in counts["routes"].items() if part in route)


def control(method, path, body=None):
    url = os.environ["LAB_CONTROL_URL"].rstrip("/") + path
    data = json.dumps(body).encode() if body is not None else None
    request = urllib.request.Request(url, data, {"content-type": "application/json"}, method=method)
    with urllib.request.urlopen(request) as answer:
        return json.loads(answer.read() or b"null")


sys.exit(main())

"""Measures `kvops audit` on tenants that a lab makes up, in simulated time and within the budgets of the
real services. Started by scripts/bench-audit. Exits 1 when an audit asks more than it should, or is
turned away: those are counted, not timed."""

import heapq
import json
import os
import shlex
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

KVOPS = os.environ["KVOPS_BINARY"]
# A client that computes for longer than this between an answer and its next request loses simulated time.
QUIET_MS = int(os.environ.get("BENCH_QUIET_MS", "4"))
# Who reads a million applications waits for a minute now and then. While it computes meanwhile, time goes on in
# steps of this length, and not to the end of that wait.
TICK_MS = {"1M": 250}
# The reports on last use have a budget of their own, 5 in ten seconds, and are another matter.
ACTIVITY = os.environ.get("BENCH_ACTIVITY", "never")
# Applications and as many service principals, vaults, certificates in each.
TENANTS = {"10k": (10_000, 10, 100), "100k": (100_000, 1_000, 100), "1M": (1_000_000, 1_000, 100)}
PAGE, EXPANDED, LISTED = 999, 100, 25
KEY_READS_A_MINUTE = 150
REGIONS = 10


def main(names):
    within = True
    for name in names or ["10k"]:
        size = name.removesuffix("-warm")
        if size not in TENANTS:
            sys.exit(f"`{name}` is none of {', '.join(TENANTS)}, with or without -warm")
        within &= measure(size, warm=size != name)
    compare(names)
    return 0 if within else 1


def measure(name, *, warm=False):
    tenant, tick_ms = TENANTS[name], TICK_MS.get(name)
    apps, vaults, certificates = tenant
    with tempfile.TemporaryDirectory(prefix="kvops-bench-") as folder, Lab(folder, tenant, tick_ms) as lab:
        state = ["--state", f"{folder}/state"] if warm else []
        ran = lab.audit(state)
        least = formula(apps, vaults, certificates, ran)
        show(name, ran, least, bound(apps, vaults, certificates))
        if not warm:
            return is_within(ran, least)
        lab.control("POST", "/churn", {"percent": 1})
        ran = lab.audit(state)
        show(f"{name}, again with --state after 1 % have changed", ran, None, None)
        return turned_away(ran) <= ran["counts"]["total"] / 1000


class Lab:
    """A lab with budgets and latencies, in simulated time."""

    def __init__(self, folder, tenant, tick_ms=None):
        apps, vaults, certificates = tenant
        seed = f"scale:{apps},{apps},{vaults},{certificates}"
        command = [KVOPS, "lab", "serve", "--port", "0", "--dir", f"{folder}/lab", "--seed", seed, "--random", "1"]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        self.url = json.loads(self.process.stdout.readline())["control"]
        self.folder = folder
        self.environment = {"PATH": os.environ["PATH"], "HOME": folder}
        for line in Path(folder, "lab", "env").read_text().splitlines():
            name, _, value = line.removeprefix("export ").partition("=")
            self.environment[name] = "".join(shlex.split(value))
        self.environment.setdefault("KVOPS_CLOCK", self.url)
        self.control("PATCH", "/settings", {"budgets": True, "keys_in_lists": True, "virtual_latency": {}})
        self.control("PUT", "/clock", {"simulated": True, "quiet_ms": QUIET_MS, "tick_ms": tick_ms})

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait()

    def control(self, method, path, body=None):
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.url + path, data, {"content-type": "application/json"}, method=method)
        with urllib.request.urlopen(request, timeout=600) as answer:
            return json.loads(answer.read() or b"null")

    def now(self):
        return moment(self.control("GET", "/clock")["now"])

    def audit(self, flags):
        report = f"{self.folder}/report.json"
        self.control("DELETE", "/requests")
        began, real = self.now(), time.monotonic()
        command = [KVOPS, "audit", "--fail-on", "none", "--activity", ACTIVITY, "--format", f"json={report}", *flags]
        process = subprocess.Popen(command, env=self.environment, cwd=self.folder, stderr=subprocess.PIPE, text=True)
        said = process.stderr.read()
        _, status, used = os.wait4(process.pid, 0)
        if status:
            sys.exit(f"{' '.join(command)} ended with {os.waitstatus_to_exitcode(status)}:\n{said}")
        simulated, counts = self.now() - began, self.control("GET", "/counts")
        with open(report, encoding="utf-8") as file:
            # Findings are the last and by far the largest part, and nobody reads them here.
            head = file.read(1_000_000)
        return {
            "simulated": simulated, "real": time.monotonic() - real, "counts": counts,
            "cpu": used.ru_utime + used.ru_stime, "megabytes": used.ru_maxrss / 1024,
            "summary": member(head, "summary"), "coverage": member(head, "coverage"), "report": os.path.getsize(report) / 1e6,
        }


def member(text, name):
    return json.JSONDecoder().raw_decode(text, text.index(f'"{name}": ') + len(name) + 4)[0]


def moment(text):
    whole, _, fraction = text.removesuffix("Z").partition(".")
    return time.mktime(time.strptime(whole, "%Y-%m-%dT%H:%M:%S")) + float(f"0.{fraction or 0}")


def pages(objects, page):
    return -(-objects // page)


def formula(apps, vaults, certificates, ran):
    """The least requests of each kind that read everything once. What depends on what was found, and not
    on the size of the tenant, is taken as it was: the versions that credentials name."""
    routes = ran["counts"]["routes"]
    named = sum(count for route, count in routes.items() if kind(route) == "versions in full")
    return {
        # Records, bytes of keys, owners; of applications also which have federated credentials.
        "applications": 2 * pages(apps, PAGE) + pages(apps, EXPANDED) + 1,
        # Of service principals also the roles that they hold: the APIs would tell in a fifth of the requests,
        # but in one list, whose pages follow each other. None of them has certificates of its own.
        "service principals": pages(apps, PAGE) + 2 * pages(apps, EXPANDED),
        # Certificates, deleted ones, contacts; the lab gives both lists as many pages.
        "lists of vaults": vaults * (2 * pages(certificates, LISTED) + 1),
        "lists of versions": vaults * certificates,
        "versions in full": named,
    }


def kind(route):
    path = route.split(" ", 1)[1].lower()
    if path.startswith("/certificates/{") or path.startswith("/keys/"):
        return "lists of versions" if path.endswith("/versions") else "versions in full"
    if path.startswith(("/certificates", "/deletedcertificates")):
        return "lists of vaults"
    names = {"/v1.0/applications": "applications", "/v1.0/serviceprincipals": "service principals"}
    return names.get(path, "others")


def bound(apps, vaults, certificates):
    """Seconds that the narrowest budget takes, whoever asks: reads of keys, or transactions of vaults."""
    keys = pages(apps, PAGE) * 60 / KEY_READS_A_MINUTE
    transactions = vaults * (pages(certificates, LISTED) + certificates)
    return max(keys, transactions / (2_000 * min(REGIONS, vaults)))


def by_kind(ran):
    found = {}
    for route, count in ran["counts"]["routes"].items():
        found[kind(route)] = found.get(kind(route), 0) + count
    return found


def turned_away(ran):
    return ran["counts"]["statuses"].get("429", 0)


def is_within(ran, least):
    total = ran["counts"]["total"]
    found = by_kind(ran)
    few = least is None or sum(found.get(each, 0) for each in least) <= 1.05 * sum(least.values())
    return few and turned_away(ran) <= total / 1000


def show(name, ran, least, seconds):
    total, found = ran["counts"]["total"], by_kind(ran)
    print(f"\n{name}")
    for each, count in sorted(found.items()):
        known = f"   {count / least[each]:.3f} of {least[each]}" if least and least.get(each) else ""
        print(f"  {each:22}{count:9}{known}")
    if "-v" in os.environ.get("BENCH_FLAGS", ""):
        for route, count in sorted(ran["counts"]["routes"].items(), key=lambda item: -item[1])[:25]:
            print(f"    {count:8} {route}")
    print(f"  {'requests':22}{total:9}   429: {turned_away(ran)} ({100 * turned_away(ran) / total:.3f} %)")
    limit = f"   bound {seconds:.1f} s, {seconds / ran['simulated']:.2f} of it" if seconds else ""
    print(f"  {'simulated seconds':22}{ran['simulated']:9.1f}{limit}")
    print(f"  {'processor seconds':22}{ran['cpu']:9.1f}   in {ran['real']:.0f} s of real time")
    print(f"  {'peak memory, MB':22}{ran['megabytes']:9.0f}   report {ran['report']:.1f} MB")
    summary = ran["summary"]
    print(f"  {'findings':22}{summary['findings']:9}   not evaluated: {summary['unknown']}, "
          f"coverage {ran['coverage']['percent']} %", flush=True)


def compare(names):
    """Other ways to the bytes of all keys, under the same budget: simulated, for at a real service the
    last row would take days."""
    print("\nbytes of all keys of applications      requests    simulated")
    for name in sorted({name.removesuffix("-warm") for name in names or ["10k"]}, key=lambda name: TENANTS[name]):
        apps = TENANTS[name][0]
        ways = [("999 in a page", pages(apps, 999), 2.0), ("100 in a page, the default", pages(apps, 100), 0.56),
                ("one by one", apps, 0.12)]
        for way, requests, latency in ways:
            print(f"  {name:6}{way:28}{requests:12}   {span(simulated(requests, latency))}")


def simulated(requests, latency, at_once=8):
    """Requests that each wait for their turn in the minute's budget, and for one of a few places."""
    under_way, admitted, now = [], [], 0.0
    for index in range(requests):
        if len(under_way) == at_once:
            now = max(now, heapq.heappop(under_way))
        now = max(now, admitted[index - KEY_READS_A_MINUTE] + 60 if index >= KEY_READS_A_MINUTE else 0.0)
        admitted.append(now)
        heapq.heappush(under_way, now + latency)
    return max(under_way, default=0.0)


def span(seconds):
    if seconds < 120:
        return f"{seconds:.1f} s"
    return f"{seconds / 60:.1f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

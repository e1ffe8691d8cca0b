"""Has other people's verifiers read what `kvops jwks serve` publishes, and verify what it signs: PyJWT's
JWKS client here, jose and openid-client in strangers.mjs. Started by scripts/jwks-strangers inside
`kvops lab exec`. Ends with a line for each verifier and algorithm, and exits 1 if one failed."""

import http.client
import json
import os
import ssl
import subprocess
import sys
import time
import urllib.parse
import urllib.request

import jwt

HERE = os.path.dirname(os.path.abspath(__file__))
KVOPS = os.environ["KVOPS_BINARY"]
ISSUER = "https://tokens.contoso.example"
VAULT = "contoso-kv"

RSA = {"kty": "RSA", "key_size": 2048, "exportable": False, "reuse_key": False}
CURVE = {"kty": "EC", "exportable": False, "reuse_key": False}
KEYS = (
    ("RS256", RSA), ("PS256", RSA), ("RS512", RSA), ("PS384", RSA),
    ("ES256", {**CURVE, "crv": "P-256"}), ("ES384", {**CURVE, "crv": "P-384"}), ("ES512", {**CURVE, "crv": "P-521"}),
)


def main():
    token = operators_token()
    failures = 0
    for algorithm, key in KEYS:
        name = f"signer-{algorithm.lower()}"
        make(token, name, key)
        more = ["--alg", algorithm] if key is RSA else []
        with Server(name, more) as server:
            signed = server.sign({"audience": "orders", "claims": {"sub": "worker"}})["token"]
            header = jwt.get_unverified_header(signed)
            assert header["alg"] == algorithm, header
            failures += tell("PyJWT", algorithm, lambda: by_pyjwt(server, signed, algorithm))
            settings = {**os.environ, "ISSUER": ISSUER, "SERVED_AT": server.url, "TOKEN": signed, "ALGORITHM": algorithm}
            node = subprocess.run(["node", f"{os.environ['KVOPS_STRANGERS']}/strangers.mjs"], env=settings, text=True,
                                  capture_output=True)
            print(node.stdout, end="")
            if node.returncode != 0:
                print(node.stderr, file=sys.stderr)
                failures += 1
    print("all verified" if failures == 0 else f"{failures} failed")
    return 1 if failures else 0


def by_pyjwt(server, signed, algorithm):
    client = jwt.PyJWKClient(f"{server.url}/jwks.json", cache_keys=True)
    key = client.get_signing_key_from_jwt(signed)
    claims = jwt.decode(signed, key.key, algorithms=[algorithm], audience="orders", issuer=ISSUER)
    assert claims["sub"] == "worker", claims
    for wrong in ({"audience": "others", "issuer": ISSUER}, {"audience": "orders", "issuer": ISSUER + "/x"}):
        try:
            jwt.decode(signed, key.key, algorithms=[algorithm], **wrong)
        except jwt.InvalidTokenError:
            continue
        raise AssertionError(f"a wrong {wrong} was accepted")


def tell(client, algorithm, check):
    try:
        check()
    except Exception as error:  # whatever it is, it is this verifier's verdict
        print(f"FAILED  {client:14} {algorithm}  {error!r}")
        return 1
    print(f"ok      {client:14} {algorithm}")
    return 0


class Server:
    """A `kvops jwks serve` of its own."""

    def __init__(self, name, more):
        which = ["--vault", VAULT, "--name", name, "--issuer", ISSUER]
        self.process = subprocess.Popen([KVOPS, "jwks", "serve", *which, *more, "--port", "0", "-o", "json", "-q"],
                                        stdout=subprocess.PIPE, text=True)

    def __enter__(self):
        ready = json.loads(self.process.stdout.readline())
        self.url, self.key = ready["listening"], ready["key"]
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait()

    def sign(self, body):
        headers = {"content-type": "application/json", "authorization": f"Bearer {self.key}"}
        request = urllib.request.Request(f"{self.url}/sign", json.dumps(body).encode(), headers)
        with urllib.request.urlopen(request) as answer:
            return json.load(answer)


def call(host, method, path, headers, body):
    """A request to the lab: one port has all its hosts."""
    port = urllib.parse.urlparse(os.environ["LAB_AUTHORITY"]).port
    context = ssl.create_default_context(cafile=os.environ["LAB_CA"])
    connection = http.client.HTTPSConnection("localhost", port, context=context)
    connection.request(method, path, body, {"host": f"{host}:{port}", **headers})
    answer = connection.getresponse()
    content = json.loads(answer.read() or b"null")
    assert answer.status < 300, (method, path, answer.status, content)
    return content


def operators_token():
    scope = urllib.parse.urlparse(os.environ["LAB_VAULT_URL"]).netloc.split(".", 1)[1]
    form = {"grant_type": "client_credentials", "client_id": os.environ["LAB_CLIENT_ID"],
            "client_secret": os.environ["LAB_CLIENT_SECRET"], "scope": f"https://{scope}/.default"}
    headers = {"content-type": "application/x-www-form-urlencoded"}
    path = f"/{os.environ['LAB_TENANT']}/oauth2/v2.0/token"
    return call("localhost", "POST", path, headers, urllib.parse.urlencode(form))["access_token"]


def make(token, name, key):
    policy = {"issuer": {"name": "Self"}, "key_props": key, "secret_props": {"contentType": "application/x-pkcs12"},
              "x509_props": {"subject": f"CN={name}", "key_usage": ["digitalSignature"], "validity_months": 12}}
    headers = {"content-type": "application/json", "authorization": f"Bearer {token}"}
    host = f"{VAULT}.vault.localhost"
    call(host, "POST", f"/certificates/{name}/create?api-version=7.6", headers, json.dumps({"policy": policy}))
    for _ in range(100):
        if call(host, "GET", f"/certificates/{name}?api-version=7.6", headers, None).get("cer"):
            return
        time.sleep(0.1)
    raise AssertionError(f"{name} was never made")


sys.exit(main())

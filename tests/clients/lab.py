"""What the drivers share: the lab they are pointed at, a record of what worked, and checks that
trust nothing the client under test computed."""

import base64
import contextlib
import hashlib
import json
import os
import ssl
import sys
import time
import traceback
import urllib.request
import uuid

AUTHORITY = os.environ["LAB_AUTHORITY"].rstrip("/")
TENANT = os.environ["LAB_TENANT"]
VAULT = os.environ["LAB_VAULT_URL"].rstrip("/")
GRAPH = os.environ["LAB_GRAPH_URL"].rstrip("/")
CLIENT_ID = os.environ["LAB_CLIENT_ID"]
CLIENT_SECRET = os.environ["LAB_CLIENT_SECRET"]
PORT = AUTHORITY.rsplit(":", 1)[1]
TOKEN_ENDPOINT = f"{AUTHORITY}/{TENANT}/oauth2/v2.0/token"
GRAPH_SCOPE = f"{GRAPH}/.default"

# The stand-in for somebody's application, made by run.py: a certificate on disk and one in the
# vault are attached to it.
PROBE = json.loads(os.environ.get("PROBE", "null"))


class Report:
    """Says on standard output, as one JSON line each, which operations of a client worked."""

    def __init__(self, client):
        self.client = client

    @contextlib.contextmanager
    def operation(self, name):
        began = time.monotonic()
        try:
            yield
            fault = None
        except Exception as error:  # an operation that fails must not hide the ones after it
            first = (str(error).strip() or type(error).__name__).splitlines()[0]
            fault = f"{type(error).__name__}: {first}"[:300]
            traceback.print_exc()
        record = {"client": self.client, "operation": name, "ok": fault is None, "ms": int((time.monotonic() - began) * 1000)}
        if fault:
            record["fault"] = fault
        print(json.dumps(record), flush=True)


def expect(found, wanted, what):
    if found != wanted:
        raise AssertionError(f"{what}: {found!r} instead of {wanted!r}")


def fetch(url, *, method=None, data=None, headers=None):
    """A plain HTTPS call that trusts the lab's CA alone: (status, JSON)."""
    context = ssl.create_default_context(cafile=os.environ["LAB_CA"])
    if isinstance(data, (dict, list)):
        data, headers = json.dumps(data).encode(), {"Content-Type": "application/json", **(headers or {})}
    request = urllib.request.Request(url, data=data, headers=headers or {}, method=method)
    try:
        with urllib.request.urlopen(request, context=context, timeout=30) as answer:
            body = answer.read()
            return answer.status, json.loads(body) if body else None
    except urllib.error.HTTPError as error:
        body = error.read()
        raise AssertionError(f"{request.get_method()} {url}: {error.code} {body[:400].decode()}") from None


def b64url(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def b64url_decode(text):
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def thumbprint(der):
    """As the directory shows it: SHA-1 in upper-case hex."""
    return hashlib.sha1(der).hexdigest().upper()


def check_token(token, *, app_id, strength, audience=None):
    """The token's signature by the tenant's published keys, then what it says. `strength` is
    azpacr (or appidacr in the older format): "1" a secret, "2" a certificate."""
    import jwt  # PyJWT comes with MSAL

    _, published = fetch(f"{AUTHORITY}/{TENANT}/discovery/v2.0/keys")
    kid = jwt.get_unverified_header(token)["kid"]
    key = next(key for key in published["keys"] if key["kid"] == kid)
    claims = jwt.decode(token, jwt.PyJWK(key, algorithm="RS256").key, algorithms=["RS256"], options={"verify_aud": False})
    audience = audience or GRAPH
    if claims["aud"].rstrip("/") != audience.rstrip("/"):
        raise AssertionError(f"aud: {claims['aud']} instead of {audience}")
    expect(claims["tid"], TENANT, "tid")
    expect(claims.get("azp", claims.get("appid")), app_id, "azp/appid")
    expect(claims.get("azpacr", claims.get("appidacr")), strength, "azpacr/appidacr")
    expect(claims["idtyp"], "app", "idtyp")
    for claim in ("oid", "uti", "iss", "exp"):
        if not claims.get(claim):
            raise AssertionError(f"no {claim} in the token")
    return claims


def check_certificate(der, *, subject):
    """The certificate as the vault returned it, read by another library: RSA key, subject."""
    from cryptography import x509

    certificate = x509.load_der_x509_certificate(der)
    expect(certificate.subject.rfc4514_string(), subject, "subject")
    return certificate


def check_signature(certificate, algorithm, signed, signature):
    """That the key of the certificate made the signature over the bytes `signed`."""
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import padding

    key = certificate.public_key()
    if algorithm == "PS256":
        scheme = padding.PSS(mgf=padding.MGF1(hashes.SHA256()), salt_length=32)
    else:
        scheme = padding.PKCS1v15()
    key.verify(signature, signed, scheme, hashes.SHA256())


def assertion(der, sign_digest, *, app_id):
    """A client assertion whose signature somebody else makes: `sign_digest` gets the SHA-256
    digest and returns the PS256 signature."""
    now = int(time.time())
    header = {"alg": "PS256", "typ": "JWT", "x5t#S256": b64url(hashlib.sha256(der).digest())}
    claims = {"aud": TOKEN_ENDPOINT, "iss": app_id, "sub": app_id, "jti": str(uuid.uuid4()),
              "iat": now, "nbf": now - 30, "exp": now + 300}
    signed = f"{b64url(json.dumps(header).encode())}.{b64url(json.dumps(claims).encode())}"
    return f"{signed}.{b64url(sign_digest(hashlib.sha256(signed.encode()).digest()))}"


def refused_by_tls(call):
    """That a call without the lab's CA fails for the certificate's sake: verification is on."""
    try:
        call()
    except Exception as error:
        chain, seen = [], error
        while seen is not None and len(chain) < 10:
            chain.append(f"{type(seen).__name__}: {seen}")
            seen = seen.__cause__ or seen.__context__
        if "certificate" in " ".join(chain).lower():
            return
        raise
    raise AssertionError("it went through without the lab's CA: TLS verification is off")


def log(message):
    print(message, file=sys.stderr, flush=True)

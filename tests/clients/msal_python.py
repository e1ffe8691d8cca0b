"""MSAL for Python: client credentials by secret, by certificate on disk, and by an assertion that a
key in the vault signed."""

import base64
import hashlib
import json

import certifi
import msal
import requests

from lab import AUTHORITY
from lab import CLIENT_ID
from lab import CLIENT_SECRET
from lab import GRAPH_SCOPE
from lab import PORT
from lab import PROBE
from lab import Report
from lab import TENANT
from lab import VAULT
from lab import assertion
from lab import b64url
from lab import b64url_decode
from lab import check_token
from lab import expect
from lab import fetch
from lab import refused_by_tls

VAULT_SCOPE = f"https://vault.localhost:{PORT}/.default"


def main():
    report = Report("msal")
    probe = PROBE["app_id"]
    with open(PROBE["pem"]) as pem:
        pem = pem.read()
    with report.operation("token by secret"):
        check_token(token(CLIENT_ID, CLIENT_SECRET), app_id=CLIENT_ID, strength="1")
    with report.operation("token by certificate"):
        # By SHA-1 alone, as older programs do, and with the certificate, for PS256 and SHA-256.
        der = base64.b64decode(PROBE["certificate"])
        older = {"private_key": pem, "thumbprint": hashlib.sha1(der).hexdigest()}
        newer = {"private_key": pem, "thumbprint": hashlib.sha1(der).hexdigest(), "public_certificate": pem}
        for credential in (older, newer, {"private_key_pfx_path": PROBE["pfx"], "passphrase": PROBE["pfx_password"]}):
            check_token(token(probe, credential), app_id=probe, strength="2")
    with report.operation("token by vault key"):
        check_token(token(probe, {"client_assertion": vault_assertion}), app_id=probe, strength="2")
    with report.operation("a wrong secret is refused"):
        answer = application(CLIENT_ID, "wrong").acquire_token_for_client([GRAPH_SCOPE])
        expect((answer["error"], answer["error_codes"]), ("invalid_client", [7000215]), "error, codes")
    with report.operation("an unknown certificate is refused"):
        credential = {"private_key": pem, "thumbprint": "00" * 20}
        answer = application(probe, credential).acquire_token_for_client([GRAPH_SCOPE])
        expect((answer["error"], answer["error_codes"]), ("invalid_client", [700027]), "error, codes")
    with report.operation("another CA is refused"):
        session = requests.Session()
        session.trust_env, session.verify = False, certifi.where()
        refused_by_tls(lambda: application(CLIENT_ID, CLIENT_SECRET, session).acquire_token_for_client([GRAPH_SCOPE]))


def application(client_id, credential, session=None):
    return msal.ConfidentialClientApplication(client_id, client_credential=credential, http_client=session,
                                              authority=f"{AUTHORITY}/{TENANT}", instance_discovery=False)


def token(client_id, credential, scope=GRAPH_SCOPE):
    answer = application(client_id, credential).acquire_token_for_client([scope])
    if "access_token" not in answer:
        raise AssertionError(json.dumps({name: answer.get(name) for name in ("error", "error_codes", "error_description")}))
    return answer["access_token"]


def vault_assertion():
    """The probe's assertion, signed over plain HTTP with the token that MSAL got for the vault."""
    authorization = {"Authorization": f"Bearer {token(CLIENT_ID, CLIENT_SECRET, VAULT_SCOPE)}"}

    def sign(digest):
        url = f"{VAULT}/keys/{PROBE['vault_name']}/{PROBE['vault_version']}/sign?api-version=2025-07-01"
        _, answer = fetch(url, data={"alg": "PS256", "value": b64url(digest)}, headers=authorization)
        return b64url_decode(answer["value"])

    return assertion(base64.b64decode(PROBE["vault_certificate"]), sign, app_id=PROBE["app_id"])


if __name__ == "__main__":
    main()

"""azure-cli as a custom cloud: each command is a process of its own, as a person would run it."""

import base64
import hashlib
import json
import os
import subprocess
import sys
import tempfile

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.serialization import pkcs12

from lab import AUTHORITY
from lab import CLIENT_ID
from lab import CLIENT_SECRET
from lab import GRAPH
from lab import PORT
from lab import PROBE
from lab import Report
from lab import TENANT
from lab import VAULT
from lab import assertion
from lab import check_certificate
from lab import check_signature
from lab import check_token
from lab import expect

PYTHON = os.environ["AZ_PYTHON"]
VAULT_NAME = VAULT.removeprefix("https://").split(".", 1)[0]
NAME = "az-cli"
POLICY = {
    "issuerParameters": {"name": "Self"},
    "keyProperties": {"exportable": False, "keyType": "RSA", "keySize": 2048, "reuseKey": False},
    "secretProperties": {"contentType": "application/x-pkcs12"},
    "x509CertificateProperties": {"subject": f"CN={NAME}", "keyUsage": ["digitalSignature"], "ekus": ["1.3.6.1.5.5.7.3.2"],
                                  "validityInMonths": 12},
    "lifetimeActions": [{"trigger": {"daysBeforeExpiry": 30}, "action": {"actionType": "EmailContacts"}}],
}
# Each service by hand; without these az asks the resource manager for them.
ENDPOINTS = (
    "--skip-endpoint-discovery", "--endpoint-active-directory", AUTHORITY,
    "--endpoint-active-directory-resource-id", f"{AUTHORITY}/", "--endpoint-active-directory-graph-resource-id", f"{GRAPH}/",
    "--endpoint-microsoft-graph-resource-id", f"{GRAPH}/", "--endpoint-management", f"{AUTHORITY}/",
    "--suffix-keyvault-dns", f".vault.localhost:{PORT}",
)
SIGNED = b"what the key in the vault signs"


class Profile:
    """A fresh profile of az, signed in to the lab: az answers from its cache in an old one."""

    def __init__(self, *credential, user=CLIENT_ID, discover=False):
        self.folder = tempfile.TemporaryDirectory(prefix="kvops-az-")
        self.az("cloud", "register", "-n", "lab", "--endpoint-resource-manager", AUTHORITY, *([] if discover else ENDPOINTS))
        self.az("cloud", "set", "-n", "lab")
        self.az("login", "--service-principal", "-u", user, "--tenant", TENANT, "--allow-no-subscriptions", *credential)

    def az(self, *words, environment=None):
        """Runs one command; returns what it printed, decoded."""
        settings = {**os.environ, "AZURE_CONFIG_DIR": self.folder.name, "AZURE_CORE_INSTANCE_DISCOVERY": "false",
                    "AZURE_CORE_COLLECT_TELEMETRY": "0", "AZURE_CORE_NO_COLOR": "1", **(environment or {})}
        done = subprocess.run([PYTHON, "-m", "azure.cli", *words, "--output", "json"], env=settings, capture_output=True,
                              text=True, timeout=120)
        if done.returncode != 0:
            errors = [line for line in done.stderr.splitlines() if not line.startswith("WARNING")]
            raise AssertionError(f"az {' '.join(words[:3])}: exit {done.returncode}: {' '.join(errors)[-500:]}")
        return json.loads(done.stdout) if done.stdout.strip() else None

    def token(self):
        return self.az("account", "get-access-token", "--resource", GRAPH)["accessToken"]


def main():
    report = Report("azure-cli")
    operator = None
    with report.operation("token by secret"):
        operator = Profile("-p", CLIENT_SECRET)
        check_token(operator.token(), app_id=CLIENT_ID, strength="1")
    if operator is None:
        sys.exit("azure-cli could not sign in: nothing else can be tried")
    with report.operation("token by certificate"):
        for options in ([], ["--use-cert-sn-issuer"]):
            profile = Profile("--certificate", PROBE["pem"], *options, user=PROBE["app_id"])
            check_token(profile.token(), app_id=PROBE["app_id"], strength="2")
    with report.operation("token by vault key"):
        der = base64.b64decode(PROBE["vault_certificate"])
        federated = assertion(der, lambda digest: sign(operator, PROBE["vault_name"], "PS256", digest), app_id=PROBE["app_id"])
        profile = Profile("--federated-token", federated, user=PROBE["app_id"])
        check_token(profile.token(), app_id=PROBE["app_id"], strength="2")
    with report.operation("cloud found by one address"):
        profile = Profile("-p", CLIENT_SECRET, discover=True)
        check_token(profile.token(), app_id=CLIENT_ID, strength="1")
        profile.az("keyvault", "certificate", "list", "--vault-name", VAULT_NAME)
    with report.operation("another CA is refused"):
        refused_without_the_ca(operator)
    drive_vault(report, operator)
    drive_directory(report, operator)


def drive_vault(report, az):
    az, vault = az.az, ("--vault-name", VAULT_NAME)
    made = der = None
    with report.operation("create certificate"):
        operation = az("keyvault", "certificate", "create", *vault, "-n", NAME, "-p", json.dumps(POLICY), "--tags", "made-by=az")
        expect(operation["status"], "completed", "status")
    with report.operation("read"):
        made = az("keyvault", "certificate", "show", *vault, "-n", NAME)
        der = base64.b64decode(made["cer"])
        check_certificate(der, subject=f"CN={NAME}")
        expect(made["x509ThumbprintHex"], hashlib.sha1(der).hexdigest().upper(), "thumbprint")
        expect(made["policy"]["keyProperties"]["exportable"], False, "exportable")
        expect(az("keyvault", "certificate", "show", "--id", made["id"])["cer"], made["cer"], "the certificate by its id")
        expect(az("keyvault", "certificate", "pending", "show", *vault, "-n", NAME)["status"], "completed", "status")
        key = az("keyvault", "key", "show", *vault, "-n", NAME)
        expect((key["key"]["keyOps"], key["managed"]), (["sign", "verify"], True), "key_ops, managed")
    with report.operation("list"):
        assert NAME in {each["name"] for each in az("keyvault", "certificate", "list", *vault, "--include-pending")}
        expect([each["id"] for each in az("keyvault", "certificate", "list-versions", *vault, "-n", NAME)], [made["id"]], "versions")
        expect(len(az("keyvault", "key", "list-versions", *vault, "-n", NAME)), 1, "number of the key's versions")
        az("keyvault", "key", "list", *vault)
    digest = hashlib.sha256(SIGNED).digest()
    with report.operation("sign"):
        certificate = x509.load_der_x509_certificate(der)
        for algorithm in ("RS256", "PS256"):
            signature = sign_with(az, NAME, algorithm, digest)
            check_signature(certificate, algorithm, SIGNED, signature)
    with report.operation("verify"):
        for wanted, value in ((True, digest), (False, hashlib.sha256(b"something else").digest())):
            answer = az("keyvault", "key", "verify", *vault, "-n", NAME, "-a", "PS256", "--digest",
                        base64.b64encode(value).decode(), "--signature", base64.b64encode(signature).decode())
            expect(answer["isValid"], wanted, "isValid")
    with report.operation("non-exportable secret"):
        secret = az("keyvault", "secret", "show", *vault, "-n", NAME)
        expect(secret["contentType"], "application/x-pkcs12", "content type")
        key, certificate, others = pkcs12.load_key_and_certificates(base64.b64decode(secret["value"]), b"")
        expect(key, None, "the key in what the secret holds")
        held = [certificate, *others] if certificate else others
        expect([each.public_bytes(serialization.Encoding.DER) for each in held], [der], "the certificates in it")
    with report.operation("attributes and download"):
        az("keyvault", "certificate", "set-attributes", *vault, "-n", NAME, "--tags", "a=b")
        expect(az("keyvault", "certificate", "show", *vault, "-n", NAME)["tags"], {"a": "b"}, "tags")
        with tempfile.TemporaryDirectory() as folder:
            path = f"{folder}/one.pem"
            az("keyvault", "certificate", "download", *vault, "-n", NAME, "-f", path, "-e", "PEM")
            with open(path, "rb") as pem:
                read = x509.load_pem_x509_certificate(pem.read())
        expect(read.public_bytes(serialization.Encoding.DER), der, "the downloaded certificate")
    with report.operation("import"):
        for name, options in (("az-import-pem", ["-f", PROBE["pem"]]),
                              ("az-import-pfx", ["-f", PROBE["pfx"], "--password", PROBE["pfx_password"]])):
            imported = az("keyvault", "certificate", "import", *vault, "-n", name, *options)
            expect(imported["cer"], PROBE["certificate"], "the imported certificate")
    with report.operation("delete and purge"):
        az("keyvault", "certificate", "delete", *vault, "-n", NAME)
        assert NAME in {each["name"] for each in az("keyvault", "certificate", "list-deleted", *vault)}
        az("keyvault", "certificate", "purge", *vault, "-n", NAME)


def drive_directory(report, az):
    az = az.az
    app = None
    with report.operation("application write"):
        app = az("ad", "app", "create", "--display-name", NAME)["appId"]
        az("ad", "app", "update", "--id", app, "--set", "tags=['kvops']")
        az("ad", "sp", "create", "--id", app)
    with report.operation("application read"):
        read = az("ad", "app", "show", "--id", app)
        expect((read["displayName"], read["tags"]), (NAME, ["kvops"]), "name, tags")
        expect([each["appId"] for each in az("ad", "app", "list", "--display-name", NAME)], [app], "found by name")
        expect(az("ad", "sp", "show", "--id", app)["appId"], app, "appId of the service principal")
        answer = az("rest", "--url", f"{GRAPH}/v1.0/applications?$filter=appId eq '{app}'&$select=id")
        expect(answer["value"], [{"id": read["id"]}], "found by az rest")
    with report.operation("credential reset"):
        reset = az("ad", "app", "credential", "reset", "--id", app, "--append")
        assert reset["password"]
        az("ad", "app", "credential", "reset", "--id", app, "--append", "--cert", f"@{PROBE['certificate_pem']}")
        az("ad", "app", "credential", "reset", "--id", app, "--append", "--create-cert", "--cert", "az-reset",
           "--keyvault", VAULT_NAME)
        kept = az("ad", "app", "credential", "list", "--id", app, "--cert")
        expect(len(kept), 2, "number of certificates")
        expect(kept[0]["customKeyIdentifier"], PROBE["thumbprint"], "thumbprint of the first")
        secret = az("ad", "app", "credential", "list", "--id", app)[0]
        az("ad", "app", "credential", "delete", "--id", app, "--key-id", secret["keyId"])
        expect(az("ad", "app", "credential", "list", "--id", app), [], "secrets left")
    with report.operation("federated credentials and owners"):
        az("ad", "app", "federated-credential", "create", "--id", app, "--parameters", json.dumps({
            "name": "ci", "issuer": "https://token.actions.githubusercontent.com",
            "subject": "repo:contoso/app:ref:refs/heads/main", "audiences": ["api://AzureADTokenExchange"]}))
        expect([each["name"] for each in az("ad", "app", "federated-credential", "list", "--id", app)], ["ci"], "names")
        az("ad", "app", "owner", "list", "--id", app)
    with report.operation("application delete"):
        az("ad", "app", "delete", "--id", app)
        expect(az("ad", "app", "list", "--display-name", NAME), [], "found by name")


def sign(profile, name, algorithm, digest):
    return sign_with(profile.az, name, algorithm, digest)


def sign_with(az, name, algorithm, digest):
    answer = az("keyvault", "key", "sign", "--vault-name", VAULT_NAME, "-n", name, "-a", algorithm,
                "--digest", base64.b64encode(digest).decode())
    return base64.b64decode(answer["signature"])


def refused_without_the_ca(profile):
    try:
        profile.az("rest", "--url", f"{GRAPH}/v1.0/applications", environment={"REQUESTS_CA_BUNDLE": certifi_bundle()})
    except AssertionError as error:
        assert "certificate" in str(error).lower(), error
    else:
        raise AssertionError("it went through without the lab's CA: TLS verification is off")


def certifi_bundle():
    return subprocess.run([PYTHON, "-m", "certifi"], capture_output=True, text=True, check=True).stdout.strip()


if __name__ == "__main__":
    main()

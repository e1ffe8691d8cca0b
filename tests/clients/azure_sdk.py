"""azure-identity, azure-keyvault-certificates and azure-keyvault-keys for Python, as a program
would use them: no patch, nothing switched off but the look-up at the public cloud's directory."""

import base64
import hashlib
import os

from azure.core.exceptions import ResourceNotFoundError
from azure.identity import CertificateCredential
from azure.identity import ClientAssertionCredential
from azure.identity import ClientSecretCredential
from azure.keyvault.certificates import CertificateClient
from azure.keyvault.certificates import CertificateContact
from azure.keyvault.certificates import CertificatePolicy
from azure.keyvault.keys import KeyClient
from azure.keyvault.keys.crypto import CryptographyClient
from azure.keyvault.keys.crypto import SignatureAlgorithm
from azure.core.exceptions import ClientAuthenticationError

from lab import AUTHORITY
from lab import CLIENT_ID
from lab import CLIENT_SECRET
from lab import GRAPH_SCOPE
from lab import PROBE
from lab import Report
from lab import TENANT
from lab import VAULT
from lab import assertion
from lab import check_certificate
from lab import check_signature
from lab import check_token
from lab import expect
from lab import refused_by_tls

NAME = "sdk-python"
SIGNED = b"what the key in the vault signs"
ENTRA = {"authority": AUTHORITY, "disable_instance_discovery": True}


def main():
    secret = ClientSecretCredential(TENANT, CLIENT_ID, CLIENT_SECRET, **ENTRA)
    certificates = CertificateClient(VAULT, secret)
    keys = KeyClient(VAULT, secret)
    der = drive_certificates(certificates)
    drive_keys(keys, secret, der)
    drive_identity(secret, keys)
    drive_the_rest(certificates)


def policy(**changes):
    asked = {"issuer_name": "Self", "subject": f"CN={NAME}", "exportable": False, "key_type": "RSA", "key_size": 2048,
             "reuse_key": False, "key_usage": ["digitalSignature"], "enhanced_key_usage": ["1.3.6.1.5.5.7.3.2"],
             "validity_in_months": 12, "content_type": "application/x-pkcs12", **changes}
    return CertificatePolicy(**asked)


def drive_certificates(client):
    report = Report("azure-keyvault-certificates")
    der = None
    with report.operation("create certificate"):
        made = client.begin_create_certificate(NAME, policy(), tags={"made-by": "sdk"}).result()
        der = bytes(made.cer)
        expect(made.name, NAME, "name")
        expect(made.policy.exportable, False, "exportable")
        check_certificate(der, subject=f"CN={NAME}")
    with report.operation("read"):
        newest = client.get_certificate(NAME)
        same = client.get_certificate_version(NAME, newest.properties.version)
        expect(bytes(same.cer), der, "the certificate by its version")
        expect(bytes(newest.properties.x509_thumbprint), hashlib.sha1(der).digest(), "x5t")
        expect(newest.properties.tags, {"made-by": "sdk"}, "tags")
        read = client.get_certificate_policy(NAME)
        expect([usage.value for usage in read.key_usage], ["digitalSignature"], "key usage")
        expect((read.issuer_name, read.key_size, read.validity_in_months), ("Self", 2048, 12), "issuer, size, months")
    with report.operation("list"):
        second = client.begin_create_certificate(NAME, policy()).result()
        versions = {each.version for each in client.list_properties_of_certificate_versions(NAME)}
        expect(len(versions), 2, "number of versions")
        assert second.properties.version in versions
        assert NAME in {each.name for each in client.list_properties_of_certificates(include_pending=True)}
    return bytes(second.cer)


def drive_keys(client, credential, der):
    report = Report("azure-keyvault-keys")
    certificate = check_certificate(der, subject=f"CN={NAME}")
    digest = hashlib.sha256(SIGNED).digest()
    key = signatures = None
    with report.operation("read"):
        key = client.get_key(NAME)
        expect(sorted(key.key_operations), ["sign", "verify"], "key_ops")
        expect(int.from_bytes(key.key.n, "big"), certificate.public_key().public_numbers().n, "modulus")
        expect(client.get_key(NAME, key.properties.version).id, key.id, "id by version")
        expect(key.properties.managed, True, "managed")
    with report.operation("list"):
        expect(len(list(client.list_properties_of_key_versions(NAME))), 2, "number of versions")
        assert NAME not in {each.name for each in client.list_properties_of_keys() if not each.managed}
    with report.operation("sign"):
        signer = CryptographyClient(key, credential)
        signatures = {algorithm: signer.sign(algorithm, digest)
                      for algorithm in (SignatureAlgorithm.rs256, SignatureAlgorithm.ps256)}
        for algorithm, result in signatures.items():
            expect(result.key_id, key.id, "kid")
            check_signature(certificate, algorithm.value, SIGNED, result.signature)
    with report.operation("verify"):
        verifier = CryptographyClient(key, credential)
        for algorithm, result in signatures.items():
            expect(verifier.verify(algorithm, digest, result.signature).is_valid, True, f"{algorithm.value} verifies")
        other = hashlib.sha256(b"something else").digest()
        expect(verifier.verify(SignatureAlgorithm.rs256, other, signatures[SignatureAlgorithm.rs256].signature).is_valid,
               False, "a signature of something else verifies")


def drive_identity(secret, keys):
    report = Report("azure-identity")
    probe = PROBE["app_id"]
    with report.operation("token by secret"):
        check_token(secret.get_token(GRAPH_SCOPE).token, app_id=CLIENT_ID, strength="1")
    with report.operation("token by certificate"):
        for chain in (False, True):
            credential = CertificateCredential(TENANT, probe, PROBE["pem"], send_certificate_chain=chain, **ENTRA)
            check_token(credential.get_token(GRAPH_SCOPE).token, app_id=probe, strength="2")
    with report.operation("token by vault key"):
        credential = ClientAssertionCredential(TENANT, probe, vault_assertion(keys, secret), **ENTRA)
        check_token(credential.get_token(GRAPH_SCOPE).token, app_id=probe, strength="2")
    with report.operation("a wrong secret is refused"):
        try:
            ClientSecretCredential(TENANT, CLIENT_ID, "wrong", **ENTRA).get_token(GRAPH_SCOPE)
        except ClientAuthenticationError as error:
            assert "AADSTS7000215" in str(error), error
        else:
            raise AssertionError("a token for a wrong secret")
    with report.operation("another CA is refused"):
        import certifi
        from azure.core.pipeline.transport import RequestsTransport
        transport = RequestsTransport(connection_verify=certifi.where())
        stranger = ClientSecretCredential(TENANT, CLIENT_ID, CLIENT_SECRET, transport=transport, **ENTRA)
        refused_by_tls(lambda: stranger.get_token(GRAPH_SCOPE))


def vault_assertion(keys, credential):
    """An assertion of the probe application, signed by its key in the vault."""
    der = base64.b64decode(PROBE["vault_certificate"])
    signer = CryptographyClient(keys.get_key(PROBE["vault_name"]), credential)
    return lambda: assertion(der, lambda digest: signer.sign(SignatureAlgorithm.ps256, digest).signature,
                             app_id=PROBE["app_id"])


def drive_the_rest(client):
    report = Report("azure-keyvault-certificates")
    with report.operation("policy and attributes"):
        client.update_certificate_policy(NAME, policy(validity_in_months=6))
        expect(client.get_certificate_policy(NAME).validity_in_months, 6, "months")
        version = client.get_certificate(NAME).properties.version
        client.update_certificate_properties(NAME, version, enabled=False, tags={"a": "b"})
        read = client.get_certificate_version(NAME, version)
        expect((read.properties.enabled, read.properties.tags), (False, {"a": "b"}), "enabled, tags")
    with report.operation("import"):
        with open(PROBE["pem"], "rb") as pem:
            imported = client.import_certificate("sdk-import-pem", pem.read(), policy=CertificatePolicy(
                issuer_name="Self", content_type="application/x-pem-file"))
        expect(bytes(imported.cer), base64.b64decode(PROBE["certificate"]), "the imported certificate")
        with open(PROBE["pfx"], "rb") as pfx:
            imported = client.import_certificate("sdk-import-pfx", pfx.read(), password=PROBE["pfx_password"])
        expect(bytes(imported.cer), base64.b64decode(PROBE["certificate"]), "the imported certificate")
    with report.operation("pending and cancel"):
        client.begin_create_certificate("sdk-unknown", policy(issuer_name="Unknown"))
        operation = client.get_certificate_operation("sdk-unknown")
        expect(operation.status, "inProgress", "status")
        assert operation.csr, "no certificate signing request"
        assert "sdk-unknown" in {each.name for each in client.list_properties_of_certificates(include_pending=True)}
        client.cancel_certificate_operation("sdk-unknown")
        client.delete_certificate_operation("sdk-unknown")
    with report.operation("contacts"):
        before = contacts(client)
        client.set_contacts([CertificateContact(email="on-call@contoso.example")])
        expect([each.email for each in contacts(client)], ["on-call@contoso.example"], "contacts")
        client.delete_contacts()
        expect(contacts(client), [], "contacts after all were removed")
        if before:
            client.set_contacts(before)
    with report.operation("delete, recover, purge"):
        client.begin_delete_certificate(NAME).result()
        assert NAME in {each.name for each in client.list_deleted_certificates()}
        client.begin_recover_deleted_certificate(NAME).result()
        expect(client.get_certificate(NAME).name, NAME, "the recovered certificate")
        client.begin_delete_certificate(NAME).wait()
        client.purge_deleted_certificate(NAME)
        try:
            client.get_deleted_certificate(NAME)
        except ResourceNotFoundError:
            pass
        else:
            raise AssertionError("the purged certificate is still there")


def contacts(client):
    try:
        return [CertificateContact(email=each.email) for each in client.get_contacts()]
    except ResourceNotFoundError:
        return []


if __name__ == "__main__":
    assert os.environ["REQUESTS_CA_BUNDLE"] == os.environ["LAB_CA"]
    main()

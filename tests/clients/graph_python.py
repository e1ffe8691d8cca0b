"""The Microsoft Graph SDK for Python: an application read, changed and removed."""

import asyncio
import base64
import os

import certifi
import httpx
from azure.identity.aio import ClientSecretCredential
from kiota_abstractions.base_request_configuration import RequestConfiguration
from kiota_authentication_azure.azure_identity_authentication_provider import AzureIdentityAuthenticationProvider
from msgraph import GraphRequestAdapter
from msgraph import GraphServiceClient
from msgraph.generated.applications.applications_request_builder import ApplicationsRequestBuilder
from msgraph.generated.applications.item.add_password.add_password_post_request_body import AddPasswordPostRequestBody
from msgraph.generated.applications.item.remove_password.remove_password_post_request_body import \
    RemovePasswordPostRequestBody
from msgraph.generated.models.application import Application
from msgraph.generated.models.federated_identity_credential import FederatedIdentityCredential
from msgraph.generated.models.key_credential import KeyCredential
from msgraph.generated.models.o_data_errors.o_data_error import ODataError
from msgraph.generated.models.password_credential import PasswordCredential
from msgraph.generated.models.service_principal import ServicePrincipal

from lab import AUTHORITY
from lab import CLIENT_ID
from lab import CLIENT_SECRET
from lab import GRAPH
from lab import GRAPH_SCOPE
from lab import PROBE
from lab import Report
from lab import TENANT
from lab import expect
from lab import refused_by_tls

NAME = "graph-python"


async def main():
    report = Report("msgraph-sdk")
    async with ClientSecretCredential(TENANT, CLIENT_ID, CLIENT_SECRET, authority=AUTHORITY,
                                      disable_instance_discovery=True) as credential:
        graph = client(credential)
        made = None
        with report.operation("application write"):
            made = await graph.applications.post(Application(display_name=NAME, sign_in_audience="AzureADMyOrg"))
            await graph.applications.by_application_id(made.id).patch(Application(tags=["kvops"]))
            assert (await graph.service_principals.post(ServicePrincipal(app_id=made.app_id))).app_id == made.app_id
        one = graph.applications.by_application_id(made.id)
        with report.operation("application read"):
            read = await one.get()
            expect((read.display_name, read.app_id, read.tags), (NAME, made.app_id, ["kvops"]), "the application")
            expect((await graph.applications_with_app_id(made.app_id).get()).id, made.id, "id by appId")
            found = await graph.applications.get(query(filter=f"appId eq '{made.app_id}'", select=["id"]))
            expect([each.id for each in found.value], [made.id], "found by filter")
        with report.operation("list by pages"):
            expect(await every_name(graph, top=3), await every_name(graph, top=999), "names over small pages")
        with report.operation("key credentials"):
            await add_keys(graph, one)
        with report.operation("password credentials"):
            added = await one.add_password.post(AddPasswordPostRequestBody(
                password_credential=PasswordCredential(display_name="short-lived")))
            expect(added.hint, added.secret_text[:3], "hint")
            expect([each.secret_text for each in (await one.get()).password_credentials], [None], "secretText later")
            await one.remove_password.post(RemovePasswordPostRequestBody(key_id=added.key_id))
            expect((await one.get()).password_credentials, [], "password credentials")
        with report.operation("federated credentials and owners"):
            await one.federated_identity_credentials.post(FederatedIdentityCredential(
                name="ci", issuer="https://token.actions.githubusercontent.com", subject="repo:contoso/app:ref:refs/heads/main",
                audiences=["api://AzureADTokenExchange"]))
            expect([each.name for each in (await one.federated_identity_credentials.get()).value], ["ci"], "names")
            assert (await one.owners.get()).value is not None
        with report.operation("delete and restore"):
            await one.delete()
            try:
                await one.get()
            except ODataError as error:
                expect((error.response_status_code, error.error.code), (404, "Request_ResourceNotFound"), "status, code")
            else:
                raise AssertionError("the deleted application is still there")
            await graph.directory.deleted_items.by_directory_object_id(made.id).restore.post()
            expect((await one.get()).display_name, NAME, "the restored application")
            await one.delete()
        with report.operation("another CA is refused"):
            stranger = client(credential, httpx.AsyncClient(verify=httpx.create_ssl_context(certifi.where(), trust_env=False)))
            await refused(stranger)


def client(credential, http=None):
    provider = AzureIdentityAuthenticationProvider(credential, scopes=[GRAPH_SCOPE], allowed_hosts=["localhost"])
    adapter = GraphRequestAdapter(provider, http)
    adapter.base_url = f"{GRAPH}/v1.0"
    return GraphServiceClient(request_adapter=adapter)


def query(**parameters):
    builder = ApplicationsRequestBuilder.ApplicationsRequestBuilderGetQueryParameters
    return RequestConfiguration(query_parameters=builder(**parameters))


async def every_name(graph, top):
    page = await graph.applications.get(query(top=top, select=["displayName"]))
    names = []
    while True:
        names += [each.display_name for each in page.value]
        if not page.odata_next_link:
            return sorted(names)
        page = await graph.applications.with_url(page.odata_next_link).get()


async def add_keys(graph, one):
    """One certificate, then a second beside it: the first is repeated by its keyId, without its bytes."""
    der = [base64.b64decode(PROBE[name]) for name in ("certificate", "vault_certificate")]
    key = lambda der: KeyCredential(type="AsymmetricX509Cert", usage="Verify", key=der)
    await one.patch(Application(key_credentials=[key(der[0])]))
    first = (await one.get()).key_credentials[0]
    await one.patch(Application(key_credentials=[first, key(der[1])]))
    read = await one.get(query(select=["id", "keyCredentials"]))
    expect(sorted(bytes(each.key) for each in read.key_credentials), sorted(der), "the certificates attached")
    assert first.key_id in {each.key_id for each in read.key_credentials}, "the first key has another keyId"
    # Typed clients take the thumbprint's hex for base64; encoded again it is the hex.
    thumbprints = {base64.b64encode(bytes(each.custom_key_identifier)).decode() for each in read.key_credentials}
    expect(thumbprints, {PROBE["thumbprint"], PROBE["vault_thumbprint"]}, "customKeyIdentifier")


async def refused(stranger):
    try:
        await stranger.applications.get()
    except Exception as error:
        def again():
            raise error
        refused_by_tls(again)
    else:
        raise AssertionError("it went through without the lab's CA: TLS verification is off")


if __name__ == "__main__":
    assert os.environ["SSL_CERT_FILE"] == os.environ["LAB_CA"]
    asyncio.run(main())

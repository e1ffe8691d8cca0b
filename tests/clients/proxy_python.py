"""azure-identity and MSAL for Python take tokens of a managed identity that is `kvops proxy exec`.
The one argument is the shape of the identity, which the environment already has."""

import os
import sys

import msal
import requests
from azure.core.exceptions import ClientAuthenticationError
from azure.identity import CredentialUnavailableError
from azure.identity import DefaultAzureCredential
from azure.identity import ManagedIdentityCredential

from lab import GRAPH
from lab import GRAPH_SCOPE
from lab import Report
from lab import check_token

APP = os.environ["PROXY_APP"]
STRANGER = "615e6319-bf4f-4279-937c-b9eb198e511f"


def main(shape):
    report = Report(f"azure-identity as {shape}")
    with report.operation("ManagedIdentityCredential"):
        check_token(ManagedIdentityCredential().get_token(GRAPH_SCOPE).token, app_id=APP, strength="2")
    with report.operation("DefaultAzureCredential"):
        check_token(DefaultAzureCredential().get_token(GRAPH_SCOPE).token, app_id=APP, strength="2")
    if shape == "cloud-shell":
        return  # one identity without a name; and MSAL for Python knows it for users alone
    with report.operation("by client id"):
        check_token(ManagedIdentityCredential(client_id=APP).get_token(GRAPH_SCOPE).token, app_id=APP, strength="2")
    with report.operation("another identity is refused"):
        refused(lambda: ManagedIdentityCredential(client_id=STRANGER).get_token(GRAPH_SCOPE))

    report = Report(f"msal as {shape}")
    client = msal.ManagedIdentityClient(msal.SystemAssignedManagedIdentity(), http_client=requests.Session())
    with report.operation("ManagedIdentityClient"):
        answer = client.acquire_token_for_client(resource=GRAPH)
        check_token(answer["access_token"], app_id=APP, strength="2")
        assert answer["token_source"] == "identity_provider", answer["token_source"]
    with report.operation("from its own cache"):
        assert client.acquire_token_for_client(resource=GRAPH)["token_source"] == "cache"


def refused(call):
    try:
        call()
    except (ClientAuthenticationError, CredentialUnavailableError):
        return
    raise AssertionError("there is a token for an identity that the profile does not name")


if __name__ == "__main__":
    main(sys.argv[1])

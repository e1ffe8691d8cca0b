"""The job that scripts/bench-token measures kvops against: one token for the probe application, by an
assertion that its key in the vault signs, with MSAL and the Azure SDK. Prints nothing but its claims."""

import base64
import json

import msal
from azure.identity import ClientSecretCredential
from azure.keyvault.keys.crypto import CryptographyClient
from azure.keyvault.keys.crypto import SignatureAlgorithm

from lab import AUTHORITY
from lab import CLIENT_ID
from lab import CLIENT_SECRET
from lab import GRAPH_SCOPE
from lab import PROBE
from lab import TENANT
from lab import VAULT
from lab import assertion
from lab import b64url_decode

credential = ClientSecretCredential(TENANT, CLIENT_ID, CLIENT_SECRET, authority=AUTHORITY, disable_instance_discovery=True)
signer = CryptographyClient(f"{VAULT}/keys/{PROBE['vault_name']}/{PROBE['vault_version']}", credential)
signed = assertion(base64.b64decode(PROBE["vault_certificate"]),
                   lambda digest: signer.sign(SignatureAlgorithm.ps256, digest).signature, app_id=PROBE["app_id"])
application = msal.ConfidentialClientApplication(PROBE["app_id"], client_credential={"client_assertion": signed},
                                                 authority=f"{AUTHORITY}/{TENANT}", instance_discovery=False)
token = application.acquire_token_for_client([GRAPH_SCOPE])["access_token"]
claims = json.loads(b64url_decode(token.split(".")[1]))
print(json.dumps({name: claims.get(name) for name in ("aud", "appid", "azp", "appidacr", "azpacr")}))

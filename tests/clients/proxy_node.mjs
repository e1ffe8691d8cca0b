// @azure/identity and @azure/msal-node take tokens of a managed identity that is `kvops proxy exec`.
// The one argument is the shape of the identity, which the environment already has.

import assert from 'node:assert/strict'

import { GRAPH, GRAPH_SCOPE, checkToken, load, operation } from './lab.mjs'

const { DefaultAzureCredential, ManagedIdentityCredential } = load('@azure/identity')
const { ManagedIdentityApplication } = load('@azure/msal-node')

const shape = process.argv[2]
const appId = process.env.PROXY_APP
const stranger = '615e6319-bf4f-4279-937c-b9eb198e511f'
const right = (token) => checkToken(token, { appId, strength: '2' })

const identity = (name, body) => operation(`@azure/identity as ${shape}`, name, body)
await identity('ManagedIdentityCredential', async () => right((await new ManagedIdentityCredential().getToken(GRAPH_SCOPE)).token))
// Cloud Shell has one identity, which cannot be named.
if (shape !== 'cloud-shell') {
  await identity('DefaultAzureCredential', async () => right((await new DefaultAzureCredential().getToken(GRAPH_SCOPE)).token))
  await identity('by client id', async () => right((await new ManagedIdentityCredential({ clientId: appId }).getToken(GRAPH_SCOPE)).token))
  await identity('another identity is refused', () => assert.rejects(new ManagedIdentityCredential({ clientId: stranger }).getToken(GRAPH_SCOPE)))
}

const msal = (name, body) => operation(`@azure/msal-node as ${shape}`, name, body)
const client = new ManagedIdentityApplication({})
await msal('ManagedIdentityApplication', async () => right((await client.acquireToken({ resource: GRAPH })).accessToken))
await msal('from its own cache', async () => assert.equal((await client.acquireToken({ resource: GRAPH })).fromCache, true))

// The Microsoft Graph client for JavaScript: an application read, changed and removed.

import assert from 'node:assert/strict'

import { AUTHORITY, CLIENT_ID, CLIENT_SECRET, GRAPH, GRAPH_SCOPE, PROBE, TENANT } from './lab.mjs'
import { load, operation } from './lab.mjs'

const { Client, PageIterator } = load('@microsoft/microsoft-graph-client')
const { TokenCredentialAuthenticationProvider } = load('@microsoft/microsoft-graph-client/authProviders/azureTokenCredentials')
const { ClientSecretCredential } = load('@azure/identity')

const NAME = 'graph-node'
const report = (name, body) => operation('@microsoft/microsoft-graph-client', name, body)
const credential = new ClientSecretCredential(TENANT, CLIENT_ID, CLIENT_SECRET, { authorityHost: AUTHORITY, disableInstanceDiscovery: true })
const graph = Client.initWithMiddleware({
  authProvider: new TokenCredentialAuthenticationProvider(credential, { scopes: [GRAPH_SCOPE] }),
  baseUrl: `${GRAPH}/`,
  defaultVersion: 'v1.0',
  customHosts: new Set(['localhost']), // else the client sends no token, and says nothing
})

async function everyName(top) {
  const names = []
  const first = await graph.api('/applications').top(top).select('displayName').get()
  await new PageIterator(graph, first, (each) => { names.push(each.displayName); return true }).iterate()
  return names.sort()
}

let made
let one
await report('application write', async () => {
  made = await graph.api('/applications').post({ displayName: NAME, signInAudience: 'AzureADMyOrg' })
  one = `/applications/${made.id}`
  await graph.api(one).patch({ tags: ['kvops'] })
  assert.equal((await graph.api('/servicePrincipals').post({ appId: made.appId })).appId, made.appId)
})
await report('application read', async () => {
  const read = await graph.api(one).get()
  assert.deepEqual([read.displayName, read.appId, read.tags], [NAME, made.appId, ['kvops']])
  assert.equal((await graph.api(`/applications(appId='${made.appId}')`).get()).id, made.id)
  const found = await graph.api('/applications').filter(`appId eq '${made.appId}'`).select(['id']).get()
  assert.deepEqual(found.value.map((each) => each.id), [made.id])
})
await report('list by pages', async () => assert.deepEqual(await everyName(3), await everyName(999)))
await report('key credentials', async () => {
  const key = (name) => ({ type: 'AsymmetricX509Cert', usage: 'Verify', key: PROBE[name] })
  await graph.api(one).patch({ keyCredentials: [key('certificate')] })
  const [first] = (await graph.api(one).get()).keyCredentials
  await graph.api(one).patch({ keyCredentials: [first, key('vault_certificate')] })
  const { keyCredentials } = await graph.api(one).select('keyCredentials').get()
  assert.deepEqual(keyCredentials.map((each) => each.key).sort(), [PROBE.certificate, PROBE.vault_certificate].sort())
  assert(keyCredentials.some((each) => each.keyId === first.keyId), 'the first key has another keyId')
  assert.deepEqual(keyCredentials.map((each) => each.customKeyIdentifier).sort(), [PROBE.thumbprint, PROBE.vault_thumbprint].sort())
})
await report('password credentials', async () => {
  const added = await graph.api(`${one}/addPassword`).post({ passwordCredential: { displayName: 'short-lived' } })
  assert.equal(added.hint, added.secretText.slice(0, 3))
  assert.deepEqual((await graph.api(one).get()).passwordCredentials.map((each) => each.secretText), [null])
  await graph.api(`${one}/removePassword`).post({ keyId: added.keyId })
  assert.deepEqual((await graph.api(one).get()).passwordCredentials, [])
})
await report('delete', async () => {
  await graph.api(one).delete()
  await assert.rejects(graph.api(one).get(), { statusCode: 404, code: 'Request_ResourceNotFound' })
})

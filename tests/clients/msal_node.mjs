// MSAL for Node: client credentials by secret, by certificate on disk, and by an assertion that a key
// in the vault signed.

import assert from 'node:assert/strict'
import fs from 'node:fs'

import { AUTHORITY, CLIENT_ID, CLIENT_SECRET, GRAPH_SCOPE, PROBE, TENANT, VAULT } from './lab.mjs'
import { assertion, bytes, checkToken, load, operation, sha1, sha256 } from './lab.mjs'

const { ConfidentialClientApplication } = load('@azure/msal-node')
const report = (name, body) => operation('@azure/msal-node', name, body)
const VAULT_SCOPE = `https://${VAULT.split('.').slice(1).join('.')}/.default`

async function token(clientId, credential, scope = GRAPH_SCOPE) {
  const application = new ConfidentialClientApplication({
    auth: { clientId, authority: `${AUTHORITY}/${TENANT}`, knownAuthorities: [new URL(AUTHORITY).host], ...credential },
  })
  return (await application.acquireTokenByClientCredential({ scopes: [scope] })).accessToken
}

/** The probe's assertion, signed over plain HTTP with the token that MSAL got for the vault. */
async function vaultAssertion() {
  const authorization = `Bearer ${await token(CLIENT_ID, { clientSecret: CLIENT_SECRET }, VAULT_SCOPE)}`
  const url = `${VAULT}/keys/${PROBE.vault_name}/${PROBE.vault_version}/sign?api-version=2025-07-01`
  const sign = async (digest) => {
    const body = JSON.stringify({ alg: 'PS256', value: digest.toString('base64url') })
    const answer = await fetch(url, { method: 'POST', body, headers: { authorization, 'content-type': 'application/json' } })
    assert.equal(answer.status, 200)
    return Buffer.from((await answer.json()).value, 'base64url')
  }
  return assertion(bytes(PROBE.vault_certificate), sign, PROBE.app_id)
}

const pem = fs.readFileSync(PROBE.pem, 'utf8')
const privateKey = pem.slice(0, pem.indexOf('-----BEGIN CERTIFICATE'))
const x5c = pem.slice(pem.indexOf('-----BEGIN CERTIFICATE'))
const der = bytes(PROBE.certificate)

await report('token by secret', async () => {
  await checkToken(await token(CLIENT_ID, { clientSecret: CLIENT_SECRET }), { appId: CLIENT_ID, strength: '1' })
})
await report('token by certificate', async () => {
  const newer = { thumbprintSha256: sha256(der).toString('hex'), privateKey }
  const older = { thumbprint: sha1(der).toString('hex'), privateKey }
  for (const clientCertificate of [newer, { ...newer, x5c }, older]) {
    await checkToken(await token(PROBE.app_id, { clientCertificate }), { appId: PROBE.app_id, strength: '2' })
  }
})
await report('token by vault key', async () => {
  const clientAssertion = await vaultAssertion()
  await checkToken(await token(PROBE.app_id, { clientAssertion }), { appId: PROBE.app_id, strength: '2' })
})
await report('a wrong secret is refused', async () => {
  await assert.rejects(token(CLIENT_ID, { clientSecret: 'wrong' }), /7000215/)
})
await report('an unknown certificate is refused', async () => {
  const clientCertificate = { thumbprintSha256: '00'.repeat(32), privateKey }
  await assert.rejects(token(PROBE.app_id, { clientCertificate }), /700027/)
})

// The proxy's kv-certificate endpoint as one writes it in Node with MSAL and the Azure SDK: what
// scripts/bench-proxy compares with. Prints its port. It checks no key, which is to its advantage.

import http from 'node:http'
import crypto from 'node:crypto'
import { createRequire } from 'node:module'

const load = createRequire(`${process.env.NODE_MODULES}/`)
const { ClientSecretCredential } = load('@azure/identity')
const { CertificateClient } = load('@azure/keyvault-certificates')
const { CryptographyClient } = load('@azure/keyvault-keys')
const { ConfidentialClientApplication } = load('@azure/msal-node')

const authority = process.env.LAB_AUTHORITY
const developer = new ClientSecretCredential(process.env.LAB_TENANT, process.env.LAB_CLIENT_ID, process.env.LAB_CLIENT_SECRET,
  { authorityHost: authority, disableInstanceDiscovery: true })
const KEEP_MS = 5 * 60 * 1000

/** What `make` gives for a key, made once at a time and kept for a while. */
function remembered(keepMs, make) {
  const kept = new Map()
  return (key, ...parts) => {
    const found = kept.get(key)
    if (found && found.until > Date.now()) return found.value
    const value = make(...parts)
    value.catch?.(() => kept.delete(key))
    kept.set(key, { value, until: Date.now() + keepMs })
    return value
  }
}

const information = remembered(KEEP_MS, async (vault, name) => {
  const { keyId, cer } = await new CertificateClient(vault, developer).getCertificate(name)
  return { signer: new CryptographyClient(keyId, developer), x5t: crypto.createHash('sha256').update(cer).digest('base64url') }
})

async function assertion(client, tenant, vault, name) {
  const { signer, x5t } = await information(`${vault}/${name}`, vault, name)
  const now = Math.floor(Date.now() / 1000)
  const part = (value) => Buffer.from(JSON.stringify(value)).toString('base64url')
  const signed = `${part({ alg: 'PS256', typ: 'JWT', 'x5t#S256': x5t })}.${part({
    aud: `${authority}/${tenant}/oauth2/v2.0/token`, iss: client, sub: client, jti: crypto.randomUUID(), iat: now, nbf: now - 30, exp: now + 300,
  })}`
  const { result } = await signer.sign('PS256', crypto.createHash('sha256').update(signed).digest())
  return `${signed}.${Buffer.from(result).toString('base64url')}`
}

const application = remembered(Infinity, (client, tenant, vault, name) => new ConfidentialClientApplication({
  auth: {
    clientId: client, authority: `${authority}/${tenant}`, knownAuthorities: [new URL(authority).host],
    clientAssertion: () => assertion(client, tenant, vault, name),
  },
}))

async function token(body) {
  const { clientId, tenantId, scopes, keyVaultUri, certificateName } = JSON.parse(body)
  const app = application(`${clientId}/${tenantId}/${keyVaultUri}/${certificateName}`, clientId, tenantId, keyVaultUri, certificateName)
  const answer = await app.acquireTokenByClientCredential({ scopes })
  return { access_token: answer.accessToken, lifetime: 3600, expires_on: answer.expiresOn.toISOString(), scopes }
}

const server = http.createServer((request, response) => {
  let body = ''
  request.on('data', (part) => { body += part })
  request.on('end', async () => {
    try {
      response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(await token(body)))
    } catch (error) {
      response.writeHead(500, { 'content-type': 'text/plain' }).end(String(error))
    }
  })
})
server.listen(0, '127.0.0.1', () => console.log(JSON.stringify({ listening: `http://127.0.0.1:${server.address().port}` })))

// What the drivers share: the lab they are pointed at, a record of what worked, and checks that trust
// nothing the client under test computed. The twin of lab.py.

import assert from 'node:assert/strict'
import crypto from 'node:crypto'
import { createRequire } from 'node:module'

const trimmed = (name) => process.env[name].replace(/\/$/, '')
export const AUTHORITY = trimmed('LAB_AUTHORITY')
export const TENANT = process.env.LAB_TENANT
export const VAULT = trimmed('LAB_VAULT_URL')
export const GRAPH = trimmed('LAB_GRAPH_URL')
export const CLIENT_ID = process.env.LAB_CLIENT_ID
export const CLIENT_SECRET = process.env.LAB_CLIENT_SECRET
export const TOKEN_ENDPOINT = `${AUTHORITY}/${TENANT}/oauth2/v2.0/token`
export const GRAPH_SCOPE = `${GRAPH}/.default`
export const PROBE = JSON.parse(process.env.PROBE)

// The packages lie where scripts/clients installed them, not beside this file.
export const load = createRequire(`${process.env.NODE_MODULES}/`)

/** Runs one operation and says on standard output, as a JSON line, whether it worked. */
export async function operation(client, name, body) {
  const began = performance.now()
  let fault
  try {
    await body()
  } catch (error) {
    fault = `${error.name}: ${String(error.message || error).split('\n')[0]}`.slice(0, 300)
    console.error(error)
  }
  console.log(JSON.stringify({ client, operation: name, ok: !fault, ms: Math.round(performance.now() - began), fault }))
}

const base64url = (bytes) => Buffer.from(bytes).toString('base64url')
export const sha256 = (bytes) => crypto.createHash('sha256').update(bytes).digest()
export const sha1 = (bytes) => crypto.createHash('sha1').update(bytes).digest()
export const bytes = (text) => Buffer.from(text, 'base64')

/** The token's signature by the tenant's published keys, then what it says: see lab.py. */
export async function checkToken(token, { appId, strength }) {
  const [header, payload, signature] = token.split('.')
  const { keys } = await (await fetch(`${AUTHORITY}/${TENANT}/discovery/v2.0/keys`)).json()
  const { kid } = JSON.parse(Buffer.from(header, 'base64url'))
  const key = crypto.createPublicKey({ key: keys.find((each) => each.kid === kid), format: 'jwk' })
  assert(crypto.verify('sha256', Buffer.from(`${header}.${payload}`), key, Buffer.from(signature, 'base64url')), 'signature')
  const claims = JSON.parse(Buffer.from(payload, 'base64url'))
  assert.equal(claims.aud.replace(/\/$/, ''), GRAPH, 'aud')
  assert.equal(claims.tid, TENANT, 'tid')
  assert.equal(claims.azp ?? claims.appid, appId, 'azp/appid')
  assert.equal(claims.azpacr ?? claims.appidacr, strength, 'azpacr/appidacr')
  assert.equal(claims.idtyp, 'app', 'idtyp')
  for (const name of ['oid', 'uti', 'iss', 'exp']) assert(claims[name], `no ${name} in the token`)
}

/** That the key of the certificate made the signature over the bytes `signed`. */
export function checkSignature(der, algorithm, signed, signature) {
  const key = new crypto.X509Certificate(der).publicKey
  const scheme = algorithm === 'PS256' ? { padding: crypto.constants.RSA_PKCS1_PSS_PADDING, saltLength: 32 } : {}
  assert(crypto.verify('sha256', signed, { key, ...scheme }, signature), `${algorithm} signature`)
}

/** A client assertion whose signature somebody else makes: `sign` gets the SHA-256 digest. */
export async function assertion(der, sign, appId) {
  const now = Math.floor(Date.now() / 1000)
  const header = { alg: 'PS256', typ: 'JWT', 'x5t#S256': base64url(sha256(der)) }
  const claims = { aud: TOKEN_ENDPOINT, iss: appId, sub: appId, jti: crypto.randomUUID(), iat: now, nbf: now - 30, exp: now + 300 }
  const signed = `${base64url(JSON.stringify(header))}.${base64url(JSON.stringify(claims))}`
  return `${signed}.${base64url(await sign(sha256(signed)))}`
}

export async function collect(pages) {
  const all = []
  for await (const each of pages) all.push(each)
  return all
}

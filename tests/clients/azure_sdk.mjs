// @azure/identity, @azure/keyvault-certificates and @azure/keyvault-keys, as a program would use them.

import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import fs from 'node:fs'

import { AUTHORITY, CLIENT_ID, CLIENT_SECRET, GRAPH_SCOPE, PROBE, TENANT, VAULT } from './lab.mjs'
import { assertion, bytes, checkSignature, checkToken, collect, load, operation, sha1, sha256 } from './lab.mjs'

const { ClientAssertionCredential, ClientCertificateCredential, ClientSecretCredential } = load('@azure/identity')
const { CertificateClient } = load('@azure/keyvault-certificates')
const { CryptographyClient, KeyClient } = load('@azure/keyvault-keys')

const NAME = 'sdk-js'
const SIGNED = Buffer.from('what the key in the vault signs')
const ENTRA = { authorityHost: AUTHORITY, disableInstanceDiscovery: true }
const WITHOUT_CA = 'without-ca'
const POLL = { intervalInMs: 100 }
const policy = (changes = {}) => ({
  issuerName: 'Self', subject: `CN=${NAME}`, exportable: false, keyType: 'RSA', keySize: 2048, reuseKey: false,
  keyUsage: ['digitalSignature'], enhancedKeyUsage: ['1.3.6.1.5.5.7.3.2'], validityInMonths: 12,
  contentType: 'application/x-pkcs12', ...changes,
})

const secret = new ClientSecretCredential(TENANT, CLIENT_ID, CLIENT_SECRET, ENTRA)
const certificates = new CertificateClient(VAULT, secret)
const keys = new KeyClient(VAULT, secret)

async function driveCertificates(report) {
  let der
  await report('create certificate', async () => {
    const poller = await certificates.beginCreateCertificate(NAME, policy(), { tags: { 'made-by': 'sdk' }, ...POLL })
    const made = await poller.pollUntilDone()
    der = Buffer.from(made.cer)
    assert.equal(made.policy.exportable, false)
  })
  await report('read', async () => {
    const newest = await certificates.getCertificate(NAME)
    const same = await certificates.getCertificateVersion(NAME, newest.properties.version)
    assert.deepEqual(Buffer.from(same.cer), der)
    assert.deepEqual(Buffer.from(newest.properties.x509Thumbprint), sha1(der))
    assert.deepEqual(newest.properties.tags, { 'made-by': 'sdk' })
    const read = await certificates.getCertificatePolicy(NAME)
    assert.deepEqual([read.issuerName, read.keySize, read.validityInMonths, read.keyUsage], ['Self', 2048, 12, ['digitalSignature']])
  })
  await report('list', async () => {
    await (await certificates.beginCreateCertificate(NAME, policy(), POLL)).pollUntilDone()
    assert.equal((await collect(certificates.listPropertiesOfCertificateVersions(NAME))).length, 2)
    const names = (await collect(certificates.listPropertiesOfCertificates({ includePending: true }))).map((each) => each.name)
    assert(names.includes(NAME), `${NAME} is not listed`)
  })
}

async function driveKeys(report) {
  const digest = sha256(SIGNED)
  const der = Buffer.from((await certificates.getCertificate(NAME)).cer)
  let key
  const signatures = {}
  await report('read', async () => {
    key = await keys.getKey(NAME)
    assert.deepEqual([...key.keyOperations].sort(), ['sign', 'verify'])
    assert.equal(key.properties.managed, true)
    assert.equal((await keys.getKey(NAME, { version: key.properties.version })).id, key.id)
  })
  await report('list', async () => {
    assert.equal((await collect(keys.listPropertiesOfKeyVersions(NAME))).length, 2)
    await collect(keys.listPropertiesOfKeys())
  })
  await report('sign', async () => {
    const signer = new CryptographyClient(key.id, secret)
    for (const algorithm of ['RS256', 'PS256']) {
      const { keyID, result } = await signer.sign(algorithm, digest)
      assert.equal(keyID, key.id)
      checkSignature(der, algorithm, SIGNED, result)
      signatures[algorithm] = result
    }
  })
  await report('verify', async () => {
    const verifier = new CryptographyClient(key.id, secret)
    for (const [algorithm, signature] of Object.entries(signatures)) {
      assert.equal((await verifier.verify(algorithm, digest, signature)).result, true)
      assert.equal((await verifier.verify(algorithm, sha256('something else'), signature)).result, false)
    }
  })
  await report('another CA is refused', async () => {
    // A process without the lab's CA: Node reads that variable once, when it starts.
    const { NODE_EXTRA_CA_CERTS, ...environment } = process.env
    const options = { env: environment, timeout: 60_000 }
    const told = await new Promise((resolve) => execFile(process.execPath, [import.meta.filename, WITHOUT_CA], options,
      (error, stdout, stderr) => resolve({ failed: error !== null, text: stdout + stderr })))
    assert(told.failed, "it went through without the lab's CA: TLS verification is off")
    assert.match(told.text, /certificate/i)
  })
}

async function driveIdentity(report) {
  const token = async (credential) => (await credential.getToken(GRAPH_SCOPE)).token
  await report('token by secret', async () => checkToken(await token(secret), { appId: CLIENT_ID, strength: '1' }))
  await report('token by certificate', async () => {
    for (const sendCertificateChain of [false, true]) {
      const credential = new ClientCertificateCredential(TENANT, PROBE.app_id, PROBE.pem, { ...ENTRA, sendCertificateChain })
      await checkToken(await token(credential), { appId: PROBE.app_id, strength: '2' })
    }
  })
  await report('token by vault key', async () => {
    const signer = new CryptographyClient(await keys.getKey(PROBE.vault_name), secret)
    const sign = async (digest) => (await signer.sign('PS256', digest)).result
    const signed = () => assertion(bytes(PROBE.vault_certificate), sign, PROBE.app_id)
    const credential = new ClientAssertionCredential(TENANT, PROBE.app_id, signed, ENTRA)
    await checkToken(await token(credential), { appId: PROBE.app_id, strength: '2' })
  })
  await report('a wrong secret is refused', async () => {
    await assert.rejects(token(new ClientSecretCredential(TENANT, CLIENT_ID, 'wrong', ENTRA)), /AADSTS7000215/)
  })
}

async function driveTheRest(report) {
  await report('policy and attributes', async () => {
    await certificates.updateCertificatePolicy(NAME, policy({ validityInMonths: 6 }))
    assert.equal((await certificates.getCertificatePolicy(NAME)).validityInMonths, 6)
    const { version } = (await certificates.getCertificate(NAME)).properties
    await certificates.updateCertificateProperties(NAME, version, { enabled: false, tags: { a: 'b' } })
    const { properties } = await certificates.getCertificateVersion(NAME, version)
    assert.deepEqual([properties.enabled, properties.tags], [false, { a: 'b' }])
  })
  await report('import', async () => {
    const pem = await certificates.importCertificate('js-import-pem', fs.readFileSync(PROBE.pem), {
      policy: { contentType: 'application/x-pem-file', issuerName: 'Self' },
    })
    const pfx = await certificates.importCertificate('js-import-pfx', fs.readFileSync(PROBE.pfx), { password: PROBE.pfx_password })
    for (const imported of [pem, pfx]) assert.deepEqual(Buffer.from(imported.cer), bytes(PROBE.certificate))
  })
  await report('delete, recover, purge', async () => {
    await (await certificates.beginDeleteCertificate(NAME, POLL)).pollUntilDone()
    assert((await collect(certificates.listDeletedCertificates())).some((each) => each.name === NAME))
    await (await certificates.beginRecoverDeletedCertificate(NAME, POLL)).pollUntilDone()
    assert.equal((await certificates.getCertificate(NAME)).name, NAME)
    await (await certificates.beginDeleteCertificate(NAME, POLL)).pollUntilDone()
    await certificates.purgeDeletedCertificate(NAME)
    await assert.rejects(certificates.getDeletedCertificate(NAME), { statusCode: 404 })
  })
}

if (process.argv[2] === WITHOUT_CA) {
  await keys.getKey(NAME)
} else {
  const reporter = (client) => (name, body) => operation(client, name, body)
  await driveCertificates(reporter('@azure/keyvault-certificates'))
  await driveKeys(reporter('@azure/keyvault-keys'))
  await driveIdentity(reporter('@azure/identity'))
  await driveTheRest(reporter('@azure/keyvault-certificates'))
}

// One token, verified by jose's remote key set, after openid-client has read the discovery document.
// The issuer is a name on the internet; what is served here stands in for it, as before a deployment.

import { createRemoteJWKSet, customFetch, jwtVerify } from "jose";
import * as client from "openid-client";

const { ISSUER, SERVED_AT, TOKEN, ALGORITHM } = process.env;
const here = (url, options) => fetch(String(url).replace(ISSUER, SERVED_AT), options);

const configuration = await client.discovery(new URL(ISSUER), "any-client", undefined, undefined, {
  [client.customFetch]: here,
});
const metadata = configuration.serverMetadata();
if (metadata.issuer !== ISSUER || !metadata.id_token_signing_alg_values_supported.includes(ALGORITHM)) {
  throw new Error(`discovery: ${JSON.stringify(metadata)}`);
}
console.log(`ok      ${"openid-client".padEnd(14)} ${ALGORITHM}`);

const keys = createRemoteJWKSet(new URL(metadata.jwks_uri), { [customFetch]: here });
const { payload } = await jwtVerify(TOKEN, keys, { issuer: ISSUER, audience: "orders", algorithms: [ALGORITHM] });
if (payload.sub !== "worker") {
  throw new Error(`claims: ${JSON.stringify(payload)}`);
}
await jwtVerify(TOKEN, keys, { issuer: ISSUER, audience: "others" }).then(
  () => Promise.reject(new Error("a wrong audience was accepted")),
  () => {},
);
console.log(`ok      ${"jose".padEnd(14)} ${ALGORITHM}`);

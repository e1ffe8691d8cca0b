# METADATA
# scope: package
# title: A production application signs in with a key that is in no HSM
# description: >-
#   Uses what kvops derived: the custody of each key, and what kvops.toml says of the application.
# custom:
#   severity: medium
#   fix: kvops provision --app APP --vault VAULT --name NEW-NAME --key RSA-HSM:3072
package kvops.rules.prod_keys_in_hsm

import rego.v1

deny contains finding if {
	some app in input.applications
	app.manifest.environment == "prod"
	some key in app.keys
	key.sign_in
	not key.custody in {"hsm", "unverified"}
	finding := {
		"subject": app.id,
		"part": key.keyId,
		"msg": sprintf("the custody of a production key is %s", [key.custody]),
	}
}

unknown contains missing if {
	some app in input.applications
	app.manifest.environment == "prod"
	some key in app.keys
	key.sign_in
	key.custody == "unverified"
	missing := {"subject": app.id, "part": key.keyId, "evidence": "key-bytes", "why": key.custody_why}
}

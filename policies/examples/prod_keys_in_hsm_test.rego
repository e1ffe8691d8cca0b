package kvops.rules.prod_keys_in_hsm_test

import rego.v1

import data.kvops.rules.prod_keys_in_hsm

app(environment, custody) := {"applications": [{
	"id": "a",
	"manifest": {"environment": environment},
	"keys": [{"keyId": "k", "sign_in": true, "custody": custody, "custody_why": "w"}],
}]}

test_a_vault_key_in_production_is_denied if {
	count(prod_keys_in_hsm.deny) == 1 with input as app("prod", "nonexportable")
}

test_a_key_in_an_hsm_is_not if count(prod_keys_in_hsm.deny) == 0 with input as app("prod", "hsm")

test_nor_is_a_key_of_a_test if count(prod_keys_in_hsm.deny) == 0 with input as app("test", "nonexportable")

test_what_is_unverified_is_unknown if {
	count(prod_keys_in_hsm.deny) == 0 with input as app("prod", "unverified")
	count(prod_keys_in_hsm.unknown) == 1 with input as app("prod", "unverified")
}

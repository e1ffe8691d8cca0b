package kvops.rules.tier0_owners_test

import rego.v1

import data.kvops.rules.tier0_owners

app(tier, owners) := {"applications": [{"id": "a", "tier": tier, "owners": owners}]}

test_one_owner_is_denied if {
	some finding in tier0_owners.deny with input as app(0, [{"id": "o"}])
	finding.subject == "a"
}

test_two_owners_are_not if count(tier0_owners.deny) == 0 with input as app(0, [{"id": "o"}, {"id": "p"}])

test_a_lesser_application_is_not if count(tier0_owners.deny) == 0 with input as app(1, [])

test_unread_owners_are_unknown_and_not_denied if {
	count(tier0_owners.deny) == 0 with input as app(0, {"unread": "rbac"})
	count(tier0_owners.unknown) == 1 with input as app(0, {"unread": "rbac"})
}

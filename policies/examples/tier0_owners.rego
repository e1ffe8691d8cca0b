# METADATA
# scope: package
# title: An application that can take the whole tenant has fewer than two owners
# description: >-
#   When its only owner leaves, nobody notices what happens to it. Two owners, both of whom are on call,
#   see each other's changes.
# custom:
#   severity: high
#   fix: add a second owner who is on call
package kvops.rules.tier0_owners

import rego.v1

deny contains finding if {
	some app in input.applications
	app.tier == 0
	is_array(app.owners)
	count(app.owners) < 2
	finding := {
		"subject": app.id,
		"msg": sprintf("it can take the whole tenant, and has %d owners", [count(app.owners)]),
	}
}

unknown contains missing if {
	some app in input.applications
	app.tier == 0
	missing := {
		"subject": app.id,
		"evidence": "owners",
		"reason": app.owners.unread,
		"why": "its owners were not read",
	}
}

"""``postil policy test``: cases of a domain's team, run against a policy or a release."""

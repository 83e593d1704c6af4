"""What the event of a publish says of its release, and an audit holds the release against."""

PUBLISHED = ("artifact", "policy_digest", "calibration", "components_digest")

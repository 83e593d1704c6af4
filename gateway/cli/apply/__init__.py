"""``postil apply``: domains, tenants, webhooks and channels as files."""

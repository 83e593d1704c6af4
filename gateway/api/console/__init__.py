"""``/console``: pages for people, with a session, rules and headers of their own."""

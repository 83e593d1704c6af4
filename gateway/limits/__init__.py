"""What tenants may use and what they used: counted in memory, shared and kept in the background."""

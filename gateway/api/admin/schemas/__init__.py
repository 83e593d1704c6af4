"""Response schemas of the admin API, one file per area, with the functions that build them from registry rows."""

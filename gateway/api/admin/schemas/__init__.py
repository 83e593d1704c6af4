"""What the admin API answers: one file an area, each with its Structs and how they are made of the registry's rows."""

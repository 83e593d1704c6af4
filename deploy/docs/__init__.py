"""The documentation: pages written by hand, and the references that ``make docs`` generates from the code."""

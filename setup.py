"""Where the packages are: the folders gateway/, registry/ and plugins/ are postil.gateway and so on."""

from setuptools import find_packages, setup

ROOMS = ("gateway", "registry", "plugins")
# A package of its own, as another team's would be.
APART = ("examples", "examples.*")

setup(
    packages=[
        "postil.demo",
        *(f"postil.{room}" for room in ROOMS),
        *(f"postil.{room}.{name}" for room in ROOMS for name in find_packages(room, exclude=APART)),
    ]
)

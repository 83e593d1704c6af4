"""What ``postil.plugins.testing`` is made of. Plugin authors import that, and nothing from here."""

"""The demo, as data: three trained adapters with their policies and what they were trained on."""

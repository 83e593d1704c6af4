"""Runs the components of installed plugins in processes of their own: one for each domain.

``host`` is what the gateway uses; ``domain_process``, ``process``, ``components``, ``pending`` and ``spawn`` are behind
it. ``child`` runs in the plugins' process and imports nothing of the gateway but ``protocol`` and the frames of
``gateway.ipc``.
"""

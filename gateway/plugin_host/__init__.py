"""The components of installed plugins, in processes of their own: one for each domain.

``apart`` is what the gateway sees; ``domain``, ``process``, ``places``, ``calls`` and ``spawn`` are its side of them.
``worker``, ``desk``, ``finding`` and ``coroutines`` run in the process itself, and import nothing of the gateway but
``wire``, which both sides speak.
"""

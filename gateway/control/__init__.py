"""The control plane: releases, reconciliation, changes, reviews, webhooks and background tasks."""

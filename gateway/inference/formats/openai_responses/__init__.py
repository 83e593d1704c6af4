"""OpenAI's Responses: ``/v1/responses``, without a store."""

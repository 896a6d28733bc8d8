"""The HTTP server of rsvlm: the OpenAI API around one assistant."""

"""Language models behind OpenAI-compatible endpoints: asked once, kept for ever."""

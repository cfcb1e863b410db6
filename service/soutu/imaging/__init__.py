"""Pictures: untrusted bytes to upright RGB, to a model's input, to thumbnails."""

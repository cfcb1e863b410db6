"""The model zoo: what each known model is, where its weights are and how they become an artefact, as data."""

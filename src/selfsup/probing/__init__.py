"""Probing: what embeddings and a few labels say of other items. Sees arrays, never a network."""

"""Queries in, ranked passages out: one file a kind of retriever."""

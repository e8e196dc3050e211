"""The words and the book: values, events, codec, log, stores and the Merkle tree (first floor)."""

"""What a reader can play with in the rendered book, without a server."""

"""`gegcore evaluate`: anybody's captions, references and pictures, from files to a report."""

"""Commands that the book adds to `gegcore`, one file each, as in `gegcore.commands`."""

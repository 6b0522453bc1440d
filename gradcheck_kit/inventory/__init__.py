"""Every backward of a code base, read from its source, beside the checks that ran it."""

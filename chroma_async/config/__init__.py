"""Every number that bounds something: what it is, its unit (last in its name) and its default; and where it is read from."""

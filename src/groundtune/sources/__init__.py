"""Where documents come from: one file a kind of source, each with a factory `create(parser, *, options)`."""

"""The web pages: server-rendered, read-only, printable, without scripts."""

"""An API as its accounts see it, and what is open in it (docs/api-security.md).

`world` looks around and drafts requests; a module a kind of hole gives `Hole`s, each proved by its effect.
"""

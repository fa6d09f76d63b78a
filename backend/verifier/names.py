"""Names in EPCIS documents: prefixes, extension fields, and their expanded form `{namespace}local`."""

from collections.abc import Mapping
from typing import Any, TypeAlias

from backend.verifier.vocabulary import PREFIXES

_SCHEMES = frozenset({"urn", "http", "https", "ni"})

Namespaces: TypeAlias = Mapping[str, str]
"""Prefix to namespace, of one document."""


def namespaces_of(context: Any) -> dict[str, str]:
    """The prefixes that a JSON-LD `@context` defines, over those of the EPCIS context itself.

    Only simple string terms are read: what a prefix stands for is all that event identity needs. None can
    stand for a scheme: whatever a context says, `urn:epc:…` is that URN.
    """
    known = dict(PREFIXES)
    for entry in context if isinstance(context, list | tuple) else [context]:
        if isinstance(entry, Mapping):
            known.update(
                (prefix, name)
                for prefix, name in entry.items()
                if isinstance(name, str) and prefix.lower() not in _SCHEMES
            )
    return known


def namespaces_in(event: Mapping[str, Any], context: Any) -> Namespaces:
    """The prefixes an event's names are read in: its document's, over them those of a context of its own."""
    own = event.get("@context")
    return namespaces_of(context) if own is None else {**namespaces_of(context), **namespaces_of(own)}


def expand_name(name: str, namespaces: Namespaces) -> str:
    """`{namespace}local` of an extension's name given as a compact or full URI; a plain word as it is."""
    prefix, colon, local = name.partition(":")
    if not colon:
        return name
    if prefix in namespaces and not local.startswith("//"):
        return f"{{{namespaces[prefix]}}}{local}"
    cut = max(name.rfind("/"), name.rfind("#"))
    if cut > 0:
        return f"{{{name[: cut + 1]}}}{name[cut + 1 :]}"
    return name


def expand_uri(value: str, namespaces: Namespaces) -> str:
    """The full URI of a compact one whose prefix is known; any other text as it is."""
    prefix, colon, local = value.partition(":")
    if colon and prefix in namespaces and not local.startswith("//"):
        return namespaces[prefix] + local
    return value

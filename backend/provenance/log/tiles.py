"""The tree's hashes in tiles of 256 (C2SP tlog-tiles), so that a batch of leaves touches a few rows.

A tile `(level, index)` holds the roots of up to 256 neighbouring complete subtrees of 256^level leaves each.
Any node of RFC 6962's tree can be made from one tile.
"""

import re
from collections.abc import Iterable, Mapping
from typing import Final, TypeAlias

from backend.kit.merkle import HASH_BYTES, NodeId, node_hash

WIDTH: Final = 256
_HEIGHT: Final = 8

TileId: TypeAlias = tuple[int, int]

_PATH: Final = re.compile(r"(?:x\d{3}/){0,5}\d{3}(?:\.p/([1-9]\d{0,2}))?", re.ASCII)


def path_of(index: int, width: int = WIDTH) -> str:
    """A tile's number as it stands in a path (C2SP tlog-tiles): 1234067 → `x001/x234/067`."""
    groups = [f"{index % 1000:03}"]
    while index := index // 1000:
        groups.append(f"x{index % 1000:03}")
    return "/".join(reversed(groups)) + (f".p/{width}" if width < WIDTH else "")


def read_path(path: str) -> tuple[int, int]:
    """The number and width of the tile a path names. Raises ValueError when it names none."""
    match = _PATH.fullmatch(path)
    width = int(match[1]) if match and match[1] else WIDTH
    index = int(re.sub(r"\.p/.*|\D", "", path) or 0) if match else 0
    if match is None or path_of(index, width) != path:
        raise ValueError(f"{path[:60]!r} names no tile: it reads like x001/234 or, partial, 234.p/17")
    return index, width


def tile_of(node: NodeId) -> TileId:
    """The tile that the root of a complete subtree is made from."""
    level, index = node
    return level // _HEIGHT, index >> (_HEIGHT - level % _HEIGHT)


def nodes_from(wanted: Iterable[NodeId], tiles: Mapping[TileId, bytes]) -> dict[NodeId, bytes]:
    """The hashes of complete subtrees, from their tiles.

    Raises KeyError when a tile is missing, ValueError when it is too narrow to hold the subtree.
    """
    found = {}
    for node in wanted:
        level, index = node
        width = 1 << (level % _HEIGHT)
        start = index * width % WIDTH
        hashes = split(tiles[tile_of(node)])[start : start + width]
        if len(hashes) < width:
            raise ValueError(f"the tile of node {node} is not complete")
        found[node] = _fold(hashes)
    return found


def split(tile: bytes) -> list[bytes]:
    """The hashes in a tile."""
    return [tile[place : place + HASH_BYTES] for place in range(0, len(tile), HASH_BYTES)]


def _fold(hashes: list[bytes]) -> bytes:
    while len(hashes) > 1:
        hashes = [node_hash(hashes[place], hashes[place + 1]) for place in range(0, len(hashes), 2)]
    return hashes[0]


def edge(size: int) -> list[TileId]:
    """The tiles of a tree of `size` leaves that are not full; more leaves would widen them."""
    tiles, level = [], 0
    while size:
        if size % WIDTH:
            tiles.append((level, size // WIDTH))
        size //= WIDTH
        level += 1
    return tiles


def extend(held: Mapping[TileId, bytes], size: int, leaves: list[bytes]) -> dict[TileId, bytes]:
    """The tiles that change when leaf hashes are appended to a tree of `size` leaves.

    `held` has the tiles of `edge(size)`. A tile that becomes full adds its root to the level above.
    """
    changed: dict[TileId, bytes] = {}
    level = 0
    while leaves:
        above: list[bytes] = []
        position = size
        while leaves:
            tile = (level, position // WIDTH)
            room = WIDTH - position % WIDTH
            part, leaves = leaves[:room], leaves[room:]
            changed[tile] = held.get(tile, b"") + b"".join(part)
            position += len(part)
            if len(part) == room:
                above.append(_fold(split(changed[tile])))
        size //= WIDTH
        level, leaves = level + 1, above
    return changed

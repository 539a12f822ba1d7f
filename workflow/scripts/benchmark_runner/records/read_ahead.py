"""Making one thing while the one before is used."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Final, TypeVar

Item = TypeVar("Item")
_END: Final = object()


def read_ahead(items: Iterator[Item]) -> Generator[Item, None, None]:
    """The items, each made by a thread of its own while its predecessor is used: memory holds two of them.

    It helps where the making or the use leaves Python's lock to others, as reading and writing of columns do.
    """
    with ThreadPoolExecutor(max_workers=1) as pool:
        pending = pool.submit(next, items, _END)
        while (item := pending.result()) is not _END:
            pending = pool.submit(next, items, _END)
            yield item  # type: ignore[misc]  # an item, since it is not the end

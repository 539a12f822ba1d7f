"""The KV cache of requests that are decoded together: a row a sequence, those in use side by side, each of its length.

transformers' own caches hold sequences of one length, or put padding before the shorter ones, so that none could join.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from transformers import Cache, LlamaConfig
from transformers.cache_utils import CacheLayerMixin


class Rows(CacheLayerMixin):  # type: ignore[misc]  # mypy runs without transformers
    """One layer: keys and values of all rows."""

    is_sliding = False

    def __init__(self, shape: tuple[int, ...], dtype: torch.dtype, device: torch.device) -> None:
        """shape is [rows, heads, tokens, width]."""
        super().__init__()
        self.keys, self.values = (torch.zeros(shape, dtype=dtype, device=device) for _ in range(2))
        self.is_initialized = True
        self.begun = slice(0)
        """Rows whose prompts are read now."""
        self.ends: torch.Tensor | None = None
        """Where the new token of each row goes; None while prompts are read."""
        self.longest = 0

    def lazy_initialization(self, key_states: torch.Tensor, value_states: torch.Tensor) -> None:
        """Nothing: all is there."""

    def update(
        self,
        key_states: torch.Tensor,
        value_states: torch.Tensor,
        *_: object,
        **__: object,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Keep what is new; of prompts nothing else is looked at, of further tokens all that their rows hold."""
        if self.ends is None:
            for kept, new in ((self.keys, key_states), (self.values, value_states)):
                kept[self.begun, :, : new.shape[2]] = new
            return key_states, value_states
        count = len(self.ends)
        rows = torch.arange(count, device=self.ends.device)
        self.keys[rows, :, self.ends], self.values[rows, :, self.ends] = key_states[:, :, 0], value_states[:, :, 0]
        return self.keys[:count, :, : self.longest], self.values[:count, :, : self.longest]

    def get_mask_sizes(self, query_length: int) -> tuple[int, int]:
        """Of prompts, which are looked at from their beginning; further tokens bring a mask of their own."""
        return query_length, 0

    def get_seq_length(self) -> int:
        """Positions of prompts count from 0; those of further tokens are given."""
        return 0

    def get_max_length(self) -> int:
        """Tokens of a row."""
        return int(self.keys.shape[2])


class Sequences(Cache):  # type: ignore[misc]  # as above
    """Places for sequences, and the rows that they have at the moment."""

    def __init__(
        self, places: int, max_seq_len: int, config: LlamaConfig, dtype: torch.dtype, device: torch.device
    ) -> None:
        """Allocate all of it."""
        shape = places, config.num_key_value_heads, max_seq_len, config.head_dim
        self._rows = [Rows(shape, dtype, device) for _ in range(config.num_hidden_layers)]
        super().__init__(layers=list(self._rows))
        self._device, self._least = device, torch.finfo(dtype).min
        self._dtype = dtype
        self._places: list[int] = []
        self._lengths: list[int] = []

    def begin(self, places: Sequence[int], lengths: Sequence[int]) -> None:
        """The next forward() reads prompts of these lengths, padded behind, into these places."""
        first = len(self._places)
        self._places += places
        self._lengths += lengths
        for layer in self._rows:
            layer.begun, layer.ends = slice(first, len(self._places)), None

    def go_on(self) -> tuple[list[int], torch.Tensor, torch.Tensor]:
        """The next forward() takes a token of each place in use: the places in the order of their rows, the tokens'
        positions [rows, 1] and the mask [rows, 1, 1, tokens] that is added to attention."""
        ends = torch.tensor(self._lengths, device=self._device)
        self._lengths = [length + 1 for length in self._lengths]
        longest = max(self._lengths)
        for layer in self._rows:
            layer.ends, layer.longest = ends, longest
        hidden = torch.arange(longest, device=self._device) > ends[:, None]
        mask = torch.zeros(hidden.shape, dtype=self._dtype, device=self._device).masked_fill_(hidden, self._least)
        return list(self._places), ends[:, None], mask[:, None, None]

    def end(self, place: int) -> None:
        """Empty a place: the last row moves into its row, so that those in use stay side by side."""
        row, last = self._places.index(place), len(self._places) - 1
        for layer in self._rows if row != last else ():
            for kept in (layer.keys, layer.values):
                kept[row, :, : self._lengths[last]] = kept[last, :, : self._lengths[last]]
        self._places[row], self._lengths[row] = self._places[last], self._lengths[last]
        del self._places[last], self._lengths[last]

    def reset(self) -> None:
        """Empty all places, with what they hold."""
        self._places, self._lengths = [], []
        for layer in self._rows:
            layer.reset()

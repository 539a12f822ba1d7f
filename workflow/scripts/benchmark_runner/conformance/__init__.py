"""Puts any adapter through the protocol of docs/protocol.md and says where it does not keep it."""

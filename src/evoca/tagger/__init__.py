"""Tag images by the million: one table, safe to interrupt, on one machine or many."""

from typing import TYPE_CHECKING

from evoca.lazy import lazy_names

if TYPE_CHECKING:
    from evoca.tagger.cluster import tag_on_cluster
    from evoca.tagger.merging import merge
    from evoca.tagger.shards import Shard
    from evoca.tagger.tagging import Summary, TagSettings, Watcher, tag

__all__ = ["Shard", "Summary", "TagSettings", "Watcher", "merge", "tag", "tag_on_cluster"]

# `predict` uses the files of tables alone, and must start fast.
_HOMES = {
    "Shard": "evoca.tagger.shards",
    "Summary": "evoca.tagger.tagging",
    "TagSettings": "evoca.tagger.tagging",
    "Watcher": "evoca.tagger.tagging",
    "merge": "evoca.tagger.merging",
    "tag": "evoca.tagger.tagging",
    "tag_on_cluster": "evoca.tagger.cluster",
}
__getattr__, __dir__ = lazy_names(__name__, _HOMES, __all__)

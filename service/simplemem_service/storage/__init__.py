"""The table of entries and turns: the only truth of a store; indices can be rebuilt from it."""

from simplemem_service.storage.packages import CATALOGUE_CLIENT, defer

defer(CATALOGUE_CLIENT)

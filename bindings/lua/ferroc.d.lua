---@meta ferroc
-- For the Lua language server: what the module `ferroc` has. README.md says more.

---@class ferroc
---@field version string such as "0.1.0"
local ferroc = {}

---The bytes in live blocks of this state's heap; nil if it has no ferroc heap.
---@return integer? bytes
function ferroc.used_memory() end

---The most that used_memory() has been; nil if the state has no ferroc heap.
---@return integer? bytes
function ferroc.peak_memory() end

---The most bytes that the state may use, 0 for no limit. With an argument: sets it, and returns what it was before.
---@param bytes? integer 0 lifts the limit
---@return integer? limit nil if the state has no ferroc heap
function ferroc.memory_limit(bytes) end

---@class ferroc.stats
---@field used_bytes integer in live blocks, with the size that the blocks have
---@field requested_bytes integer as Lua asked for them
---@field peak_used_bytes integer
---@field limit_bytes integer 0: none
---@field committed_bytes integer what the heap has from the system
---@field nursery_used_bytes integer
---@field mixed_used_bytes integer
---@field large_used_bytes integer
---@field large_block_count integer
---@field shard_count integer
---@field full_shard_count integer
---@field mixed_shard_count integer
---@field refills integer
---@field large_allocs integer
---@field large_frees integer
---@field limit_refusals integer how often the limit was met
---@field failed_allocs integer

---The figures of the state's heap; nil if it has none.
---@return ferroc.stats? stats
function ferroc.stats() end

---Collects all garbage, and gives back what the heap does not need for the rest.
---@return integer? bytes that were in use and are not any more; nil if the state has no ferroc heap
function ferroc.collect() end

---Gives free memory of the whole process back to the system.
---@return integer bytes that went back
function ferroc.trim() end

---Writes an HTML page that shows the memory of the whole process.
---@param path string
---@return true? ok
---@return string? message
---@return integer? code
function ferroc.heap_map(path) end

---Gives this state a heap of its own: what is there stays where it is, all that is new comes from the heap. Nothing
---happens if it has one.
---@param memory_limit? integer bytes, 0 for no limit
---@return true? ok
---@return string? message
function ferroc.install(memory_limit) end

return ferroc

-- An LRU cache in front of a slow lookup: 20,000 entries in a doubly linked list with a hash
-- index, asked for skewed string keys, so that entries come and go in an order that is neither
-- last-in-first-out nor first-in-first-out.

local scale = tonumber(arg and arg[1]) or 1
local requests = math.floor(180000 * scale)
local capacity, key_space = 20000, 120000

math.randomseed(20, 3)

local Cache = {}
Cache.__index = Cache

function Cache.new(limit)
  local head, tail = {}, {}
  head.next, tail.previous = tail, head
  return setmetatable({ limit = limit, size = 0, index = {}, head = head, tail = tail }, Cache)
end

local function unlink(entry)
  entry.previous.next, entry.next.previous = entry.next, entry.previous
end

function Cache:push_front(entry)
  local second = self.head.next
  entry.previous, entry.next = self.head, second
  self.head.next, second.previous = entry, entry
end

function Cache:get(key)
  local entry = self.index[key]
  if not entry then return nil end
  unlink(entry)
  self:push_front(entry)
  return entry.value
end

function Cache:put(key, value)
  if self.size == self.limit then
    local oldest = self.tail.previous
    unlink(oldest)
    self.index[oldest.key] = nil
    self.size = self.size - 1
  end
  local entry = { key = key, value = value }
  self.index[key] = entry
  self:push_front(entry)
  self.size = self.size + 1
end

local function look_up(id)
  return { id = id, path = "/items/" .. id .. "/detail", weight = id % 97 }
end

local cache, hits, weight = Cache.new(capacity), 0, 0
for _ = 1, requests do
  local id = math.floor(key_space * math.random() ^ 3)
  local key = "user:" .. id % 1000 .. ":item:" .. id
  local value = cache:get(key)
  if value then
    hits = hits + 1
  else
    value = look_up(id)
    cache:put(key, value)
  end
  weight = weight + value.weight
end
print(string.format("checksum lru_cache %d %d", hits, weight))

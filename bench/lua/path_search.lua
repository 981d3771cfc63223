-- A* over a grid with walls and weights: objects with metatables for points and the open list (a
-- binary heap), a fresh set of nodes for each search.

local scale = tonumber(arg and arg[1]) or 1
local searches = math.max(1, math.floor(12 * scale + 0.5))
local width, height = 150, 150

math.randomseed(20, 6)

local Node = {}
Node.__index = Node

function Node.new(x, y, parent, cost, estimate)
  return setmetatable({ x = x, y = y, parent = parent, cost = cost, total = cost + estimate }, Node)
end

function Node:__lt(other)
  if self.total ~= other.total then return self.total < other.total end
  return self.cost > other.cost
end

local Heap = {}
Heap.__index = Heap

function Heap.new() return setmetatable({ size = 0, items = {} }, Heap) end

function Heap:push(item)
  local items, at = self.items, self.size + 1
  self.size = at
  while at > 1 and item < items[at // 2] do
    items[at] = items[at // 2]
    at = at // 2
  end
  items[at] = item
end

function Heap:pop()
  local items, size = self.items, self.size
  local top, last = items[1], items[size]
  items[size] = nil
  size = size - 1
  self.size = size
  local at = 1
  while 2 * at <= size do
    local child = 2 * at
    if child < size and items[child + 1] < items[child] then child = child + 1 end
    if not (items[child] < last) then break end
    items[at] = items[child]
    at = child
  end
  if size > 0 then items[at] = last end
  return top
end

local function make_grid()
  local grid = {}
  for y = 1, height do
    grid[y] = {}
    for x = 1, width do
      local dice = math.random(100)
      grid[y][x] = dice <= 26 and 0 or math.random(1, 3)
    end
  end
  grid[1][1], grid[height][width] = 1, 1
  return grid
end

local steps = { { 1, 0 }, { -1, 0 }, { 0, 1 }, { 0, -1 } }

local function search(grid)
  local open, best, expanded = Heap.new(), {}, 0
  open:push(Node.new(1, 1, nil, 0, width + height - 2))
  while open.size > 0 do
    local node = open:pop()
    local key = node.x .. "," .. node.y
    if not best[key] then
      best[key] = node
      expanded = expanded + 1
      if node.x == width and node.y == height then return node, expanded end
      for _, step in ipairs(steps) do
        local x, y = node.x + step[1], node.y + step[2]
        local weight = grid[y] and grid[y][x] or 0
        if weight > 0 and not best[x .. "," .. y] then
          open:push(Node.new(x, y, node, node.cost + weight, width - x + height - y))
        end
      end
    end
  end
  return nil, expanded
end

local cost, length, visited = 0, 0, 0
for _ = 1, searches do
  local goal, expanded = search(make_grid())
  visited = visited + expanded
  if goal then cost = cost + goal.cost end
  while goal do
    length = length + 1
    goal = goal.parent
  end
end
print(string.format("checksum path_search %d %d %d", cost, length, visited))

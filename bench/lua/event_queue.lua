-- A simulation of a warehouse: agents are objects of classes with inheritance, events are small
-- tables in a priority queue, messages carry closures; thousands of objects live at once.

local scale = tonumber(arg and arg[1]) or 1
local until_time = math.floor(2600 * scale)

math.randomseed(20, 15)

local function class(parent)
  local made = setmetatable({}, { __index = parent })
  made.__index = made
  function made.new(...)
    local object = setmetatable({}, made)
    object:init(...)
    return object
  end
  return made
end

local Queue = class()

function Queue:init() self.count, self.items = 0, {} end

function Queue:before(a, b)
  if a.time ~= b.time then return a.time < b.time end
  return a.serial < b.serial
end

function Queue:push(event)
  local items, at = self.items, self.count + 1
  self.count = at
  while at > 1 and self:before(event, items[at // 2]) do
    items[at] = items[at // 2]
    at = at // 2
  end
  items[at] = event
end

function Queue:pop()
  local items, count = self.items, self.count
  local first, last = items[1], items[count]
  items[count], self.count = nil, count - 1
  local at, size = 1, count - 1
  while at * 2 <= size do
    local child = at * 2
    if child < size and self:before(items[child + 1], items[child]) then child = child + 1 end
    if not self:before(items[child], last) then break end
    items[at] = items[child]
    at = child
  end
  if size > 0 then items[at] = last end
  return first
end

local World = class()

function World:init()
  self.time, self.serial, self.queue = 0, 0, Queue.new()
  self.delivered, self.handled, self.shelves = 0, 0, {}
end

function World:after(delay, action)
  self.serial = self.serial + 1
  self.queue:push({ time = self.time + delay, serial = self.serial, action = action })
end

function World:run(limit)
  while self.queue.count > 0 do
    local event = self.queue:pop()
    if event.time > limit then return end
    self.time = event.time
    self.handled = self.handled + 1
    event.action()
  end
end

local Agent = class()

function Agent:init(world, name) self.world, self.name, self.log = world, name, {} end

function Agent:note(text)
  self.log[#self.log + 1] = text
  if #self.log > 30 then self.log = { self.log[#self.log] } end
end

local Producer = class(Agent)

function Producer:work()
  local parcel = { from = self.name, made = self.world.time, weight = math.random(1, 30), route = {} }
  local shelf = math.random(1, 40)
  local list = self.world.shelves[shelf] or {}
  self.world.shelves[shelf] = list
  list[#list + 1] = parcel
  self:note("made at " .. parcel.made)
  self.world:after(math.random(1, 6), function() self:work() end)
end

local Carrier = class(Agent)

function Carrier:work()
  local shelf = math.random(1, 40)
  local list = self.world.shelves[shelf]
  local load_of, weight = {}, 0
  while list and #list > 0 and weight < 60 do
    local parcel = table.remove(list)
    parcel.route[#parcel.route + 1] = { shelf = shelf, carrier = self.name, at = self.world.time }
    weight = weight + parcel.weight
    load_of[#load_of + 1] = parcel
  end
  self.world:after(math.random(3, 9), function() self:deliver(load_of) end)
end

function Carrier:deliver(load_of)
  for _, parcel in ipairs(load_of) do
    if math.random(4) == 1 then
      local list = self.world.shelves[1] or {}
      self.world.shelves[1] = list
      list[#list + 1] = parcel
    else
      self.world.delivered = self.world.delivered + parcel.weight
      self:note("delivered from " .. parcel.from)
    end
  end
  self:work()
end

local world = World.new()
for i = 1, 120 do Producer.new(world, "producer " .. i):work() end
for i = 1, 80 do Carrier.new(world, "carrier " .. i):work() end
world:run(until_time)
print(string.format("checksum event_queue %d %d", world.handled, world.delivered))

-- Tables built and dropped: particles with position and velocity tables, neighbour lists and
-- vectors that live for a frame, as a game's update loop makes them.

local scale = tonumber(arg and arg[1]) or 1
local frames = math.max(2, math.floor(32 * scale + 0.5))
local particles, cell = 3000, 4

math.randomseed(20, 7)

local function vector(x, y) return { x = x, y = y } end
local function add(a, b) return vector(a.x + b.x, a.y + b.y) end
local function scaled(a, factor) return vector(a.x * factor, a.y * factor) end
local function difference(a, b) return vector(a.x - b.x, a.y - b.y) end

local function spawn(id)
  return { id = id, position = vector(math.random() * 200, math.random() * 200),
    velocity = vector(math.random() - 0.5, math.random() - 0.5), trail = {} }
end

local function bucket(position) return (position.x // cell) * 1000 + position.y // cell end

local function index_by_cell(world)
  local cells = {}
  for _, particle in ipairs(world) do
    local key = bucket(particle.position)
    local list = cells[key]
    if not list then
      list = {}
      cells[key] = list
    end
    list[#list + 1] = particle
  end
  return cells
end

local function push_apart(particle, cells)
  local force = vector(0, 0)
  for _, other in ipairs(cells[bucket(particle.position)]) do
    if other ~= particle then
      local away = difference(particle.position, other.position)
      local distance = away.x * away.x + away.y * away.y + 0.1
      force = add(force, scaled(away, 0.01 / distance))
    end
  end
  return force
end

local function step(world)
  local cells, following = index_by_cell(world), {}
  for i, particle in ipairs(world) do
    local velocity = add(scaled(particle.velocity, 0.99), push_apart(particle, cells))
    local position = add(particle.position, velocity)
    local trail = { position }
    for j = 1, math.min(7, #particle.trail) do trail[j + 1] = particle.trail[j] end
    if math.random(60) == 1 then
      following[i] = spawn(particle.id)
    else
      following[i] = { id = particle.id, position = position, velocity = velocity, trail = trail }
    end
  end
  return following
end

local world = {}
for i = 1, particles do world[i] = spawn(i) end
for _ = 1, frames do world = step(world) end

local x, points = 0, 0
for _, particle in ipairs(world) do
  x = x + particle.position.x
  points = points + #particle.trail
end
print(string.format("checksum table_churn %.6f %d", x, points))

-- Planets under gravity: numbers in a handful of tables that live from beginning to end. Hardly any
-- allocation: shows what an allocator costs those who do not need it.

local scale = tonumber(arg and arg[1]) or 1
local steps = math.floor(150000 * scale)

local function body(x, y, z, vx, vy, vz, mass)
  return { x = x, y = y, z = z, vx = vx, vy = vy, vz = vz, mass = mass }
end

-- A made-up system: a heavy star and four planets on tilted circles.
local bodies = { body(0, 0, 0, 0, 0, 0, 40) }
for i = 1, 4 do
  local radius = 1.5 + 2.2 * i
  local speed = math.sqrt(40 / radius)
  bodies[#bodies + 1] = body(radius, 0.1 * i, 0.05 * i * i, 0, speed, 0.02 * i, 0.001 * i)
end

local function advance(dt)
  for i = 1, #bodies do
    local a = bodies[i]
    for j = i + 1, #bodies do
      local b = bodies[j]
      local dx, dy, dz = a.x - b.x, a.y - b.y, a.z - b.z
      local square = dx * dx + dy * dy + dz * dz
      local pull = dt / (square * math.sqrt(square))
      a.vx, a.vy, a.vz = a.vx - dx * b.mass * pull, a.vy - dy * b.mass * pull, a.vz - dz * b.mass * pull
      b.vx, b.vy, b.vz = b.vx + dx * a.mass * pull, b.vy + dy * a.mass * pull, b.vz + dz * a.mass * pull
    end
  end
  for i = 1, #bodies do
    local a = bodies[i]
    a.x, a.y, a.z = a.x + dt * a.vx, a.y + dt * a.vy, a.z + dt * a.vz
  end
end

for _ = 1, steps do advance(0.001) end

local energy = 0
for i, a in ipairs(bodies) do
  energy = energy + 0.5 * a.mass * (a.vx ^ 2 + a.vy ^ 2 + a.vz ^ 2)
  for j = i + 1, #bodies do
    local b = bodies[j]
    energy = energy - a.mass * b.mass / math.sqrt((a.x - b.x) ^ 2 + (a.y - b.y) ^ 2 + (a.z - b.z) ^ 2)
  end
end
print(string.format("checksum nbody %.9f", energy))

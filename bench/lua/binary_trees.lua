-- Builds and walks binary trees: many short-lived ones of growing depth beside one that stays.

local scale = tonumber(arg and arg[1]) or 1
local trees_per_depth = math.max(1, math.floor(24 * scale + 0.5))
local smallest, largest = 4, 14

local function build(depth)
  if depth == 0 then return { false, false } end
  return { build(depth - 1), build(depth - 1) }
end

local function count(tree)
  if not tree[1] then return 1 end
  return 1 + count(tree[1]) + count(tree[2])
end

local long_lived = build(largest)
local total = 0
for depth = smallest, largest, 2 do
  for _ = 1, trees_per_depth * 2 ^ ((largest - depth) // 2) do
    total = total + count(build(depth))
  end
end
print(string.format("checksum binary_trees %d %d", total, count(long_lived)))

-- Nine queens by backtracking and primes by a sieve: integer arrays that are made once, little
-- allocation.

local scale = tonumber(arg and arg[1]) or 1
local rounds = math.max(1, math.floor(32 * scale + 0.5))

local function queens(size)
  local rows, rising, falling, solutions = {}, {}, {}, 0
  local function place(column)
    if column > size then
      solutions = solutions + 1
      return
    end
    for row = 1, size do
      local up, down = row + column, row - column + size
      if not rows[row] and not rising[up] and not falling[down] then
        rows[row], rising[up], falling[down] = true, true, true
        place(column + 1)
        rows[row], rising[up], falling[down] = false, false, false
      end
    end
  end
  place(1)
  return solutions
end

local function primes_below(limit)
  local composite, count = {}, 0
  for n = 2, limit - 1 do
    if not composite[n] then
      count = count + 1
      for multiple = n * n, limit - 1, n do composite[multiple] = true end
    else
      composite[n] = true
    end
  end
  return count
end

local solutions, primes = 0, 0
for round = 1, rounds do
  solutions = solutions + queens(9)
  primes = primes + primes_below(200000 + round)
end
print(string.format("checksum queens_sieve %d %d", solutions, primes))

-- wrk -t 1 -s success.lua URL -- TOKENS FIRST NAMES BEGIN END
-- Migrates the groups FIRST + BEGIN to FIRST + END - 1, each once with the token of its owner (the
-- line of TOKENS; where there are fewer, they take turns), and ends when all are answered: a fixed amount of work, so that what was
-- answered can be compared with the database. Prints one line of JSON.
local ffi = require("ffi")
ffi.cdef [[
  typedef struct { long seconds; long nanoseconds; } bench_time;
  int clock_gettime(int clock, bench_time *now);
]]

local forever = 1000000000
local tokens, first, names, next_one, last = {}, 0, 0, 0, 0
local asked, answered, statuses, unexpected, owners = 0, 0, {}, nil, 0
local verified, began = false, nil

local function now()
  local time = ffi.new("bench_time")
  ffi.C.clock_gettime(1, time)
  return tonumber(time.seconds) + tonumber(time.nanoseconds) / 1e9
end

function init(words)
  first, names = tonumber(words[2]), tonumber(words[3])
  next_one, last = tonumber(words[4]), tonumber(words[5])
  local index = 0
  for line in io.lines(words[1]) do
    tokens[index] = line
    index = index + 1
  end
  owners = index
end

-- wrk asks for a delay before each request: with none left the connection sleeps on.
function delay()
  if next_one + asked >= last then return forever end
  asked = asked + 1
  return 0
end

local function request_for(index)
  local body = string.format('{"registration_group_id":"%d","group_name":"%d"}', first + index,
    names + first + index)
  return string.format("POST %s HTTP/1.1\r\nHost: %s\r\nAuthorization: Bearer %s\r\n" ..
    "Content-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", wrk.path, wrk.host,
    tokens[index % owners], #body, body)
end

local given = 0
function request()
  if not verified then -- wrk looks at one request before it starts, and does not send it
    verified = true
    return request_for(next_one)
  end
  began = began or now()
  given = given + 1
  return request_for(next_one + given - 1)
end

function response(status, _, body)
  answered = answered + 1
  statuses[status] = (statuses[status] or 0) + 1
  if status ~= 201 and not unexpected then unexpected = body end
  if next_one + answered < last then return end
  local parts = {}
  for code, count in pairs(statuses) do
    parts[#parts + 1] = string.format('"%d":%d', code, count)
  end
  io.write(string.format('{"seconds":%.6f,"statuses":{%s},"unexpected":%s}\n', now() - began,
    table.concat(parts, ","), unexpected or "null"))
  io.flush()
  os.exit(0)
end

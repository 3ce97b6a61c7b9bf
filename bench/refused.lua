-- wrk -s refused.lua URL -- TOKENS FIRST NAMES COUNT [CODE]
-- Asks for the groups FIRST to FIRST + COUNT - 1 in turn, again and again, whose migration is
-- refused; one group is one constant request. COUNT is even or 1, and there are two threads. With
-- CODE, counts the answers with this error code, which costs wrk a look at each answer. Prints one
-- line of JSON.
local threads = {}
counted = 0 -- global: done() reads it from each thread

function setup(thread)
  thread:set("number", #threads)
  table.insert(threads, thread)
end

local function body_of(group, names)
  return string.format('{"registration_group_id":"%d","group_name":"%d"}', group, names + group)
end

function init(words)
  local first, names, count = tonumber(words[2]), tonumber(words[3]), tonumber(words[4])
  local code = words[5]
  local requests, index = {}, 0
  wrk.method = "POST"
  wrk.headers["Content-Type"] = "application/json"
  for token in io.lines(words[1]) do
    if index == count then break end
    wrk.headers["Authorization"] = "Bearer " .. token
    wrk.body = body_of(first + index, names)
    requests[index] = wrk.format()
    index = index + 1
  end
  if count > 1 then
    -- Each of the two threads has groups of its own, so that no group is asked for twice at a time.
    local next_one = number
    function request()
      next_one = (next_one + 2) % count
      return requests[next_one]
    end
  end
  if code then
    function response(_, _, body)
      if body:find(code, 1, true) then counted = counted + 1 end
    end
  end
end

function done(summary, latency)
  local errors, total = summary.errors, 0
  for _, thread in ipairs(threads) do total = total + thread:get("counted") end
  io.write(string.format('{"seconds":%.6f,"answers":%d,"not_2xx":%d,"broken":%d,"counted":%d,' ..
    '"p50_ms":%.3f,"p99_ms":%.3f}\n', summary.duration / 1e6, summary.requests, errors.status,
    errors.connect + errors.read + errors.write + errors.timeout, total,
    latency:percentile(50) / 1000, latency:percentile(99) / 1000))
end

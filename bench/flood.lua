-- wrk -s flood.lua URL: each request has an API key of its own that is nobody's.
local letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"

function init()
  math.randomseed(os.time())
  wrk.method = "GET"
end

function request()
  local key = {}
  for i = 1, 32 do
    local at = math.random(#letters)
    key[i] = letters:sub(at, at)
  end
  wrk.headers["X-API-Key"] = table.concat(key)
  return wrk.format()
end

-- What wrk counted, as one line of JSON on standard error: its own text rounds, and hides what failed.
--
-- Words behind the URL: GET LENGTH looks at every byte of answers of bench/calls' pattern, POST LENGTH sends so much of it.
local threads = {}

function setup(thread)
  table.insert(threads, thread)
end

local function pattern(length)
  local alphabet = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
  return alphabet:rep(math.floor(length / #alphabet) + 1):sub(1, length)
end

function init(words)
  wrong = 0
  if words[1] == "POST" then
    wrk.method, wrk.body = "POST", pattern(tonumber(words[2]))
  elseif words[1] == "GET" then
    local expected = pattern(tonumber(words[2]))
    response = function(_, _, body)
      if body ~= expected then wrong = wrong + 1 end
    end
  end
end

function done(summary, latency, requests)
  local errors, wrongs = summary.errors, 0
  for _, thread in ipairs(threads) do wrongs = wrongs + thread:get("wrong") end
  io.stderr:write(string.format(
    '{"requests":%d,"micros":%d,"bytes":%d,"connect":%d,"read":%d,"write":%d,"status":%d,"timeout":%d,"wrong":%d,' ..
    '"p50":%d,"p99":%d}\n',
    summary.requests, summary.duration, summary.bytes, errors.connect, errors.read, errors.write,
    errors.status, errors.timeout, wrongs, latency:percentile(50), latency:percentile(99)))
end

-- A script for wrk: sends the requests of the file BENCH_REQUESTS in turn, and prints what was measured as JSON.
-- The file has the length of each request on a line, then the request. Twelve times @ in it become a new number.
local requests, count, sent = {}, 0, 0
local number = tonumber(os.getenv("BENCH_FIRST"))

function init()
  local file = assert(io.open(os.getenv("BENCH_REQUESTS"), "rb"))
  for length in file:lines() do
    local text = file:read(tonumber(length))
    local from, to = text:find("@@@@@@@@@@@@", 1, true)
    count = count + 1
    requests[count] = from and {text:sub(1, from - 1), text:sub(to + 1)} or text
  end
  file:close()
end

function request()
  sent = sent + 1
  local one = requests[(sent - 1) % count + 1]
  if type(one) == "string" then return one end
  number = number + 1
  return one[1] .. string.format("%012d", number) .. one[2]
end

function done(summary, latency)
  local errors = summary.errors
  io.write(string.format('{"requests":%d,"microseconds":%d,"bytes":%d,"errors":%d,"p50":%.3f,"p99":%.3f}\n',
    summary.requests, summary.duration, summary.bytes,
    errors.status + errors.connect + errors.read + errors.write + errors.timeout,
    latency:percentile(50) / 1000, latency:percentile(99) / 1000))
end

-- Requests have the queries that are given, sixteen in a row the same one, which is chosen by
-- chance. In strict turn, one of them would always be the first of those that come together; each
-- by itself, what serves one query would be colder than it is where all requests have it.
local IN_A_ROW = 16

init = function(queries)
  if #queries > 0 then
    math.randomseed(os.time())
    local made = {}
    for _, query in ipairs(queries) do
      made[#made + 1] = wrk.format(nil, wrk.path .. query)
    end
    local chosen, left = nil, 0
    request = function()
      if left == 0 then
        chosen, left = made[math.random(#made)], IN_A_ROW
      end
      left = left - 1
      return chosen
    end
  end
end

-- What wrk counted, as one line of JSON after its own report. Latencies are pairs: microseconds,
-- and how many answers took that long.
done = function(summary, latency, requests)
  local errors, latencies = summary.errors, {}
  for number = 1, #latency do
    latencies[number] = string.format("[%d, %d]", latency(number))
  end
  io.write(string.format(
    '{"seconds": %.6f, "all": %d, "refused": %d, "broken": %d, "latencies": [%s]}\n',
    summary.duration / 1e6, summary.requests, errors.status,
    errors.connect + errors.read + errors.write + errors.timeout, table.concat(latencies, ", ")))
end

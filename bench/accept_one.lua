-- One transmission call a request, each for another recipient. BENCH_BODIES names a file with one
-- JSON body a line in which @@ stands for the number; the report goes to the file BENCH_REPORT.

local bodies, number = {}, 0

function init(args)
  for line in io.lines(os.getenv("BENCH_BODIES")) do
    local pieces, from = {}, 1
    while true do
      local at, ends = line:find("@@", from, true)
      if not at then break end
      pieces[#pieces + 1] = line:sub(from, at - 1)
      from = ends + 1
    end
    pieces[#pieces + 1] = line:sub(from)
    bodies[#bodies + 1] = pieces
  end
  wrk.headers["Authorization"] = os.getenv("BENCH_API_KEY")
  wrk.headers["Content-Type"] = "application/json"
end

function request()
  number = number + 1
  local body = table.concat(bodies[number % #bodies + 1], tostring(number))
  return wrk.format("POST", "/api/v1/transmissions", nil, body)
end

function done(summary, latency, requests)
  local errors = summary.errors
  local report = io.open(os.getenv("BENCH_REPORT"), "w")
  report:write(string.format(
    '{"requests":%d,"seconds":%f,"p50_ms":%f,"p99_ms":%f,"max_ms":%f,"refused":%d,"broken":%d}\n',
    summary.requests, summary.duration / 1e6, latency:percentile(50) / 1e3,
    latency:percentile(99) / 1e3, latency.max / 1e3, errors.status,
    errors.connect + errors.read + errors.write + errors.timeout))
  report:close()
end

-- What wrk counted, as one line of JSON after its own report.
done = function(summary, latency, requests)
  local errors = summary.errors
  io.write(string.format(
    '{"seconds": %.6f, "all": %d, "p99": %.3f, "refused": %d, "broken": %d}\n',
    summary.duration / 1e6, summary.requests, latency:percentile(99) / 1e3, errors.status,
    errors.connect + errors.read + errors.write + errors.timeout))
end

-- What wrk sends: one request for a token, over and over. And its result as one line of JSON.
wrk.method = "POST"
wrk.path = "/api/Token/kv-certificate"
wrk.body = os.getenv("BENCH_BODY")
wrk.headers["Content-Type"] = "application/json"
wrk.headers["X-Kvops-Key"] = os.getenv("BENCH_KEY")

-- Milliseconds between an answer and the next request of its connection.
function delay()
  return tonumber(os.getenv("BENCH_PAUSE"))
end

function done(summary, latency, requests)
  local errors = summary.errors
  io.write(string.format(
    '{"requests":%d,"us":%d,"p50":%.3f,"p99":%.3f,"max":%.3f,"refused":%d,"broken":%d}\n',
    summary.requests, summary.duration, latency:percentile(50) / 1000, latency:percentile(99) / 1000, latency.max / 1000,
    errors.status, errors.connect + errors.read + errors.write + errors.timeout))
end
